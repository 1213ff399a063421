//! A program with a host of its own, and `ivring inspect`.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use ivring_host::region_file::RegionLost;
use ivring_host::{Event, Host, HostSendError, Options, SendError};

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::LIMIT;
use crate::two::{A, B};

fn open(path: &Path) -> Host {
    Host::open(Options { size: Some(1 << 20), ..Options::new(path.to_str().unwrap()) }).unwrap()
}

/// Polls until an event is what is wanted.
fn event(host: &mut Host, is_wanted: impl Fn(&Event) -> bool) -> Event {
    let deadline = Instant::now() + LIMIT;
    loop {
        let event = host.wait(Duration::from_millis(100));
        if let Some(event) = event.filter(|event| is_wanted(event)) {
            return event;
        }
        assert!(Instant::now() < deadline, "it does not come");
    }
}

#[test]
fn a_host_is_told_and_another_in_the_same_program_goes_on() {
    ivring_host::guard_mappings().unwrap();
    let (breaks, stays) = (Place::new(), Place::new());
    let (mut broken, mut other) = (open(&breaks.region_path()), open(&stays.region_path()));
    let join = |place: &Place, uuid| FakeGuest::join(&place.region_path(), uuid, "web");
    let (_guest, mate) = (join(&breaks, A), join(&stays, B));
    let attached = |event: &Event| matches!(event, Event::Attached { .. });
    let Event::Attached { guest, .. } = event(&mut broken, attached) else { unreachable!() };
    let Event::Attached { guest: other_guest, .. } = event(&mut other, attached) else { unreachable!() };

    broken.control(&breaks.socket()).unwrap();
    File::options().write(true).open(breaks.region_path()).unwrap().set_len(4096).unwrap();
    // Whatever the program does with it in between.
    for _ in 0..1000 {
        let _ = broken.push(&guest, "t", b"x");
        broken.flush(&guest);
        broken.ack(&guest);
        let _ = broken.room(&guest);
    }
    // The first that is told: nothing is made of the zeros.
    match broken.wait(LIMIT) {
        Some(Event::Lost(RegionLost::Resized { was: 1_048_576, is: 4096, .. })) => {}
        unexpected => panic!("{unexpected:?}"),
    }
    assert!(broken.poll().is_none());
    let error = broken.send(&guest, "t", b"x").unwrap_err();
    assert!(matches!(error, HostSendError::Send(SendError::NotAttached)), "{error}");
    assert!(!broken.evict(&guest));
    drop(broken.batch());
    broken.leave(Duration::from_millis(10), |event| panic!("{event:?}"));

    other.send(&other_guest, "t", b"still here").unwrap();
    assert_eq!(mate.message().1, b"still here");
}
