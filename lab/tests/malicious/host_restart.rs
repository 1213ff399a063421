//! What a host finds in its own words when it takes over: anybody could have written there.

use ivring_guest::Event as GuestEvent;
use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::Way;
use ivring_proto::layout::{control_word as word, entry_word};
use ivring_proto::link::LinkError;
use ivring_proto::ring::Fault;

use crate::world::World;

/// What a new host is to find.
enum Finds {
    /// This, and the session is closed.
    Fault(Fault),
    /// The word could be right, or is of nobody's. Either all goes on, or a session of that guest ends; it comes back.
    Nothing,
}

/// Where a word is.
#[derive(Clone, Copy)]
enum At {
    Entry(u64),
    Control(u64, u64),
}

/// What is tried with a word of the one guest's channel while no host runs: every so many of the lies, in turn.
fn lies(at: At, every: usize, finds: impl Fn(&World, u64, u64) -> Finds) {
    let mut world = World::new();
    for index in (0..).step_by(every) {
        world.talk();
        let (own, neighbours) = (world.channel(), world.neighbours_channel());
        let [own_word, anothers] = [own, neighbours].map(|channel| match at {
            At::Entry(word) => world.peer.entry(channel, word),
            At::Control(line, word) => world.peer.host_control(channel, line, word),
        });
        let Some(lie) = own_word.lies(64, anothers.get()).get(index).copied() else { break };
        if matches!(at, At::Entry(word) if word == entry_word::UUID + 8) && lie.value == anothers.get() {
            // Which of two channels is whose cannot be known without a session table.
            continue;
        }
        world.kill_host();
        own_word.set(lie.value);
        let found = finds(&world, own, lie.value);
        world.start_host(|_| {});
        match found {
            Finds::Fault(fault) => world.finds(Way::ToHost, lie.what, fault),
            Finds::Nothing => survives(&mut world, lie.what),
        }
    }
    world.finish();
}

/// Whatever is found is named with its value, what was sent before comes again at most marked, and the guest comes back.
fn survives(world: &mut World, what: &str) {
    world.settle();
    for event in &world.at_host {
        match event {
            HostEvent::Fault { error, .. } => {
                let shown = error.to_string();
                assert!(shown.chars().any(|letter| letter.is_ascii_digit()), "{what}: {shown}");
            }
            HostEvent::Message { redelivered, .. } => assert!(redelivered, "{what}: {event:?}"),
            _ => {}
        }
    }
    world.heals();
}

#[test]
fn head() {
    lies(At::Control(word::CONSUMER, word::HEAD), 1, |world, channel, head| {
        let seen = world.peer.host_control(channel, word::CONSUMER, word::SEEN).get();
        let capacity = world.peer.geometry().to_host();
        if !head.is_multiple_of(8) {
            Finds::Fault(Fault::HeadUnaligned { head })
        } else if head == u64::MAX - 7 {
            // With the mark behind it, once around.
            Finds::Fault(Fault::Start { position: head })
        } else if seen.wrapping_sub(head) > capacity {
            Finds::Fault(Fault::Seen { seen, head })
        } else {
            Finds::Nothing
        }
    });
}

#[test]
fn seen() {
    lies(At::Control(word::CONSUMER, word::SEEN), 1, |world, channel, seen| {
        let head = world.peer.host_control(channel, word::CONSUMER, word::HEAD).get();
        let capacity = world.peer.geometry().to_host();
        if !seen.is_multiple_of(8) || seen.wrapping_sub(head) > capacity {
            Finds::Fault(Fault::Seen { seen, head })
        } else {
            Finds::Nothing
        }
    });
}

#[test]
fn seen_of_version_1_0() {
    lies(At::Control(word::CONSUMER, word::SEEN_IN_1_0), 1, |_, _, _| Finds::Nothing);
}

#[test]
fn hint() {
    lies(At::Control(word::PRODUCER, word::HINT), 1, |world, channel, hint| {
        let head = world.peer.guest_control(channel, word::CONSUMER, word::HEAD).get();
        let full = world.peer.geometry().to_guest() - 8;
        let far = hint.wrapping_sub(head) > full && head.wrapping_sub(hint) > full;
        if far || !hint.is_multiple_of(8) { Finds::Fault(Fault::Hint { hint, head }) } else { Finds::Nothing }
    });
}

#[test]
fn heads_of_guests() {
    // The guest's own word, which a host trusts as little.
    for change in [4, 1 << 20, 1 << 62] {
        let mut world = World::new();
        let channel = world.channel();
        let head = world.peer.guest_control(channel, word::CONSUMER, word::HEAD);
        world.kill_host();
        head.set(head.get() + change);
        world.start_host(|_| {});
        survives(&mut world, "a head");
        world.finish();
    }
}

#[test]
fn entry() {
    // Without anything but the directory, a session that it does not describe any more ends; the guest comes back.
    for at in (0..=entry_word::FEATURES).step_by(8) {
        lies(At::Entry(at), 3, |_, _, _| Finds::Nothing);
    }
}

#[test]
fn port_and_name() {
    for at in [word::PORT, word::PORT + 8, word::NAME] {
        lies(At::Control(word::TEXT, at), 3, |_, _, _| Finds::Nothing);
    }
}

#[test]
fn with_a_session_table_a_scribbled_directory_costs_nothing() {
    let state = tempfile::tempdir().expect("a folder");
    let keep = |options: &mut ivring_host::Options| options.state_folder = Some(state.path().to_owned());
    let mut world = World::with(keep);
    world.talk();
    world.settle();
    let entry = (0..entry_word::SIZE).step_by(8).map(At::Entry);
    let names =
        [word::PORT, word::PORT + 8, word::PORT + 24, word::NAME].map(|at| At::Control(word::TEXT, at));
    for at in entry.chain(names) {
        for value in [0, u64::from_le_bytes(*b"other\0\0\0")] {
            let own = world.channel();
            let own_word = match at {
                At::Entry(word) => world.peer.entry(own, word),
                At::Control(line, word) => world.peer.host_control(own, line, word),
            };
            world.kill_host();
            own_word.set(value);
            world.start_host(keep);
            world.settle();
            world.found_nothing("a scribbled directory");
            let who = world.who();
            assert!(
                world.host().guests().iter().any(|guest| guest.identity == who && guest.name == "guestbad")
            );
            world.at_guest.clear();
            world.talk();
        }
    }
    world.finish();
}

#[test]
fn records_that_wait() {
    // Scribbled over while no host runs: what was before is received, and the rest is not believed.
    let mut world = World::new();
    world.kill_host();
    let channel = world.channel();
    let start = world.peer.scribe(channel, Way::ToHost).position;
    for number in 0..3 {
        world.guest().send("waits", &[number; 8]).expect("room");
    }
    let mut scribe = world.peer.scribe(channel, Way::ToHost);
    let span = (scribe.position - start) / 3;
    scribe.position = start + 2 * span;
    world.peer.word(scribe.at(scribe.position)).set(u64::MAX);
    let position = scribe.position;
    world.start_host(|_| {});
    let fault = Fault::Tag { position, header: u64::MAX, found: 0xff_ffff, expected: scribe.tag(position) };
    let found = |event: &HostEvent| matches!(event, HostEvent::Fault { error: LinkError::Fault(error), .. } if *error == fault);
    world.until("the fault", |world| world.at_host.iter().any(found));
    let received: Vec<u8> = world
        .at_host
        .iter()
        .filter_map(|event| match event {
            HostEvent::Message { payload, .. } => Some(payload[0]),
            _ => None,
        })
        .collect();
    assert_eq!(received, [0, 1]);
    world.heals();
    let gone = |event: &GuestEvent| matches!(event, GuestEvent::Superseded);
    assert!(!world.at_guest.iter().any(gone));
    world.finish();
}
