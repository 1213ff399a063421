//! The superblock (§2.3, §8.5): read by a guest that joins and by a host that starts, and of no more use to those who have.

use std::fs;
use std::time::Duration;

use ivring_host::region_file::RegionError;
use ivring_host::{Host, OpenError, Options};
use ivring_lab::malicious_peer::Truth;
use ivring_proto::layout::{GeometryError, MAGIC, SuperblockError, VersionRange, superblock_word as word};
use ivring_proto::link::{GuestEvent, Waiting};
use ivring_proto::session::CloseReason;

use crate::clockwork::{Clockwork, Guest};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(100);

/// What a program that looks at a region is to find.
#[derive(Debug)]
enum Finds {
    /// Nothing wrong: it joins.
    Nothing,
    /// Nothing wrong, and no place to join: it waits.
    NoPlace,
    Error(SuperblockError),
    /// Where areas collide it names one of them.
    Misplaced,
}

/// What is tried with a word, each in turn: with guests that are attached, with one that joins, with a host that starts.
fn lies(at: u64, earlier: u64, anothers: u64, finds: impl Fn(u64) -> Finds) {
    let mut clockwork = Clockwork::new(3);
    let own = clockwork.peer.superblock(at);
    let right = own.get();
    for lie in (Truth { now: right, earlier, anothers }).lies() {
        let what = lie.what;
        own.set(lie.value);
        // They keep the geometry in private memory.
        let reformatted = match at {
            word::STATE => lie.value & 0xff != right & 0xff,
            word::GENERATION => true,
            _ => false,
        };
        if reformatted {
            let told = GuestEvent::Detached(CloseReason::Reformat);
            clockwork.until(what, |clockwork| clockwork.guest.events.contains(&told));
        } else {
            clockwork.nothing_happens(SECOND, what);
        }
        let mut third = clockwork.third();
        clockwork.run_with(&mut third, MOMENT);
        let found = finds(lie.value);
        is_found(&found, waits_for(&third), &format!("{lie:?}"));
        assert_eq!(third.end.is_attached(), matches!(found, Finds::Nothing), "{lie:?}");
        if matches!(found, Finds::Misplaced | Finds::Error(_))
            && !matches!(found, Finds::Error(SuperblockError::Init))
        {
            refuses_to_start(&clockwork, &found, what);
        }
        own.set(right);
        clockwork.run_with(&mut third, MOMENT);
        assert!(third.end.is_attached(), "{lie:?}: {:?}", third.events);
        third.end.bye();
        clockwork.run(MOMENT);
        clockwork.heals();
    }
    clockwork.finish();
}

fn waits_for(guest: &Guest) -> Option<SuperblockError> {
    guest.events.iter().find_map(|event| match event {
        GuestEvent::Waiting(Waiting::Region(error)) => Some(*error),
        _ => None,
    })
}

fn is_found(expected: &Finds, found: Option<SuperblockError>, what: &str) {
    match expected {
        Finds::Nothing | Finds::NoPlace => assert_eq!(found, None, "{what}"),
        Finds::Error(error) => assert_eq!(found, Some(*error), "{what}"),
        Finds::Misplaced => {
            let misplaced = matches!(
                found,
                Some(SuperblockError::Geometry(
                    GeometryError::Misplaced { .. } | GeometryError::TooSmall { .. }
                ))
            );
            assert!(misplaced, "{what}: {found:?}");
        }
    }
    if let Some(error) = found.filter(|error| !matches!(error, SuperblockError::Init)) {
        let shown = error.to_string();
        assert!(shown.chars().any(|letter| letter.is_ascii_digit()), "no value is named: {shown}");
    }
}

/// A host names the same, and changes nothing in the file.
fn refuses_to_start(clockwork: &Clockwork, expected: &Finds, what: &str) {
    let before = fs::read(clockwork.path()).expect("the region");
    let path = clockwork.path().to_str().expect("UTF-8");
    match Host::open(Options::new(path)) {
        Err(OpenError::Superblock { error, .. }) => is_found(expected, Some(error), what),
        // The first word is looked at before anything is mapped. One of zero is that of a new file, and the rest is not.
        Err(OpenError::File(RegionError::NotZero { .. } | RegionError::Magic { .. })) => {
            assert!(matches!(expected, Finds::Error(SuperblockError::Magic { .. })), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
    assert!(fs::read(clockwork.path()).expect("the region") == before, "{what}: the file was changed");
}

fn error(error: impl Into<SuperblockError>) -> Finds {
    Finds::Error(error.into())
}

#[test]
fn magic() {
    lies(word::MAGIC, MAGIC + (1 << 56), MAGIC.swap_bytes(), |magic| {
        // Without a magic and with a state it is another's file.
        error(SuperblockError::Magic { magic })
    });
}

#[test]
fn state() {
    // The low byte counts, the rest is reserved.
    lies(word::STATE, 1, 4, |state| match state {
        0 | 1 => error(SuperblockError::Init),
        state => match state & 0xff {
            1 | 2 => Finds::Nothing,
            3 => Finds::NoPlace,
            _ => error(SuperblockError::State { state }),
        },
    });
}

#[test]
fn state_closing() {
    let mut clockwork = Clockwork::new(3);
    clockwork.peer.superblock(word::STATE).set(3);
    clockwork.until("it says so", |clockwork| {
        clockwork.guest.events.contains(&GuestEvent::Waiting(Waiting::RegionClosing))
    });
    clockwork.peer.superblock(word::STATE).set(2);
    clockwork.heals();
    clockwork.finish();
}

#[test]
fn versions() {
    let supported = VersionRange::SUPPORTED;
    lies(word::VERSIONS, 0x2_0000_0002_0000, 0x1_0005_0001_0000, |value| {
        let found = VersionRange::from_word(value);
        match supported.common(found) {
            Some(_) => Finds::Nothing,
            None => error(SuperblockError::Version { found, supported }),
        }
    });
}

#[test]
fn required() {
    lies(word::FEATURES_REQUIRED, 1 << 63, 1 << 7, |bits| error(SuperblockError::Features { bits }));
}

#[test]
fn optional() {
    lies(word::FEATURES_OPTIONAL, 1 << 63, 1 << 7, |_| Finds::Nothing);
}

#[test]
fn size() {
    lies(word::SIZE, 2 << 20, 1 << 40, |size| match size {
        0x20_0000 | 0x100_0000_0000 => error(SuperblockError::Size { said: size, mapped: 1 << 20 }),
        size => error(GeometryError::Size { size }),
    });
}

#[test]
fn channels() {
    lies(word::CHANNELS, 255, 256, |channels| match channels {
        // The host offers the third, and there is none.
        2 => Finds::NoPlace,
        1..=255 => Finds::Misplaced,
        channels => error(GeometryError::Channels { channels }),
    });
}

#[test]
fn to_host() {
    lies(word::TO_HOST, 4095, 1 << 40 | 1, |capacity| error(GeometryError::Capacity { capacity }));
}

#[test]
fn to_guest() {
    lies(word::TO_GUEST, 4095, 1 << 40 | 1, |capacity| error(GeometryError::Capacity { capacity }));
}

/// An area's offset: not aligned, outside, or where another one is.
fn offset(at: u64, anothers: u64) {
    lies(at, 1 << 20, anothers, |_| Finds::Misplaced);
}

#[test]
fn status() {
    offset(word::STATUS, 8192);
}

#[test]
fn cells() {
    offset(word::CELLS, 4096);
}

#[test]
fn directory() {
    offset(word::DIRECTORY, 8192);
}

#[test]
fn host_control() {
    offset(word::HOST_CONTROL, 12288);
}

#[test]
fn guest_control() {
    offset(word::GUEST_CONTROL, 16384);
}

#[test]
fn rings() {
    offset(word::RINGS, 20480);
}

#[test]
fn generation() {
    lies(word::GENERATION, 7, 9, |_| Finds::Nothing);
}

#[test]
fn owner() {
    // The host keeps to the one that it read itself.
    lies(word::OWNER, 7, 9, |_| Finds::Nothing);
    lies(word::OWNER + 8, 7, 9, |_| Finds::Nothing);
}

#[test]
fn name() {
    let escape = u64::from_le_bytes(*b"\x1b[2Jname");
    lies(word::NAME, escape, u64::from_le_bytes([0xff; 8]), |_| Finds::Nothing);
}

#[test]
fn reason() {
    lies(word::REASON_TEXT, 7, 9, |_| Finds::Nothing);
}
