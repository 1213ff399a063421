//! Two daemons serve one region, which their lock is there to prevent: the other one here has none.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ivring_proto::layout::read_superblock;
use ivring_proto::link::{FrontDesk, HostEnd, HostEvent};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::HostPulse;

use crate::daemon::Daemon;
use crate::program::Program;
use crate::setup::{lab_without_guests, wait_for};

const STALE: Duration = Duration::from_secs(5);

/// A host of a region that is served already. It ends without a word, as one does that is killed.
struct Usurper {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Served>>,
}

/// What the usurper came to.
struct Served {
    events: Vec<HostEvent>,
    sessions: usize,
    stood_by: bool,
}

impl Usurper {
    fn start(region: &str) -> Self {
        let file = File::options().read(true).write(true).open(Path::new(region)).expect("it is there");
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = thread::spawn(move || serve(&file, &ended));
        Usurper { end, thread: Some(thread) }
    }

    fn end(mut self) -> Served {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().expect("it ends once").join().expect("it does not panic")
    }
}

impl Drop for Usurper {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(file: &File, end: &AtomicBool) -> Served {
    let size = file.metadata().expect("it is there").len();
    let memory = MappedFile::map(file, size).expect("it can be mapped");
    let geometry = read_superblock(&memory).expect("it is a region").geometry;
    let started = Instant::now();
    let state = std::hash::RandomState::new();
    let mut drawn = 0_u64;
    let mut random = || {
        drawn += 1;
        std::hash::BuildHasher::hash_one(&state, drawn)
    };
    let mut ends: Vec<_> = (0..geometry.channels())
        .filter_map(|index| HostEnd::recover(memory.clone(), &geometry, index, Duration::ZERO, STALE, None))
        .collect();
    let mut desk = FrontDesk::open(&memory, &geometry, None);
    let mut pulse = HostPulse::start(&memory, &geometry, Duration::ZERO, &mut random);
    let mut buffer = vec![0; usize::try_from(geometry.to_host()).expect("it is mapped")];
    let (mut events, mut stood_by) = (Vec::new(), false);
    while !end.load(Ordering::Relaxed) {
        let now = started.elapsed();
        stood_by |= pulse.beat(&memory, now, &mut random).is_some();
        while desk.serve(&memory, &geometry, &mut ends, now).is_some() {}
        for end in &mut ends {
            events.extend(end.poll(now, &mut random));
            while end.receive(&mut buffer).is_ok_and(|received| received.is_some()) {}
        }
        thread::sleep(Duration::from_millis(1));
    }
    let sessions = ends.iter_mut().filter_map(HostEnd::link).count();
    Served { events, sessions, stood_by }
}

#[test]
fn the_older_daemon_gives_way_and_comes_back_when_the_other_has_ended() {
    let lab = lab_without_guests("two-daemons");
    let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found").path();
    let daemon = Daemon::start(&lab, &["--region", &region, "--channels", "3"]);
    let program = Program::start(&region, "web1", 1);
    program.wait_until_attached(1);
    daemon.wait_for_guest("web1", "attached");
    daemon.assert_answers("web1");

    let usurper = Usurper::start(&region);
    daemon.wait_for_line(&["somebody else writes here", "another program serves it"]);
    let listed = daemon.wait_for_guest("web1", "closed");
    assert!(
        listed["reason"].as_str().is_some_and(|reason| reason.contains("somebody else writes")),
        "{listed}"
    );
    let ping = daemon.ivring(&["ping", "web1", "--count", "1", "--timeout", "0.1"]);
    assert_eq!(ping.status, Some(1), "{ping:?}");
    let evict = daemon.ivring(&["evict", "web1"]);
    assert!(evict.status == Some(5) && evict.messages.contains("somebody else writes"), "{evict:?}");
    // Longer than two beats, in which it would have come back if it did not see the other one beat.
    thread::sleep(Duration::from_secs(4));
    assert!(!daemon.log().contains("nobody else writes"), "{}", daemon.log());
    let served = usurper.end();
    assert_eq!((served.events.as_slice(), served.sessions, served.stood_by), (&[][..], 1, false));
    assert_eq!(program.events().iter().filter(|event| event.starts_with("detached")).count(), 0);

    daemon.wait_for_line(&["nobody else writes there any more"]);
    daemon.wait_for_guest("web1", "attached");
    program.wait_until_attached(2);
    daemon.assert_answers("web1");
    wait_for("the guest heard why", || {
        program.events().iter().any(|event| event.contains("somebody else writes")).then_some(())
    });
}
