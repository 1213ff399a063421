//! What a service manager is told while the daemon begins, runs and ends.

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::Place;
use crate::running::LIMIT;

/// A daemon, and the socket on which it is listened to. Killed when dropped.
struct Watched {
    child: Child,
    notices: UnixDatagram,
}

impl Watched {
    fn start(place: &Place, regions: &[&str]) -> Self {
        let path = place.directory().join("notify");
        let notices = UnixDatagram::bind(&path).expect("a socket");
        notices.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivringd"));
        command.args(["--config", "/dev/null", "--size", "1M", "--socket"]).arg(place.socket());
        for region in regions {
            command.args(["--region", region]);
        }
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "3000000").env_remove("WATCHDOG_PID");
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("ivringd starts");
        Watched { child, notices }
    }

    /// The next notice.
    fn notice(&self) -> String {
        let mut text = [0; 200];
        let length = self.notices.recv(&mut text).expect("a notice");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")), signal).expect("it runs");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_service_manager_hears_of_beginning_life_and_end() {
    let place = Place::new();
    let mut watched = Watched::start(&place, &[place.region(), &place.pattern()]);
    assert_eq!(watched.notice(), "READY=1\nSTATUS=serving 1 region\n");
    // Whatever was to start after it finds both.
    UnixStream::connect(place.socket()).expect("clients are served");
    assert_eq!(place.region_path().metadata().expect("the region is there").len(), 1 << 20);
    for _ in 0..2 {
        assert_eq!(watched.notice(), "WATCHDOG=1\n");
    }
    watched.signal(Signal::SIGTERM);
    let last = std::iter::repeat_with(|| watched.notice()).find(|notice| notice != "WATCHDOG=1\n");
    assert_eq!(last.expect("endless"), "STOPPING=1\nSTATUS=delivering what has arrived\n");
    assert_eq!(watched.child.wait().expect("its status").code(), Some(0));
}

#[test]
fn a_daemon_that_cannot_begin_is_never_called_ready() {
    let place = Place::new();
    let mut watched = Watched::start(&place, &[place.region(), "/nonexistent/region"]);
    assert_eq!(watched.child.wait().expect("its status").code(), Some(5));
    watched.notices.set_nonblocking(true).expect("a socket");
    watched.notices.recv(&mut [0; 200]).expect_err("it has told nothing");
}
