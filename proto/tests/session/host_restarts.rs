//! The host ends, is killed, and comes back.

use std::time::Duration;

use ivring_proto::layout::{Version, entry_word};
use ivring_proto::link::GuestEvent;
use ivring_proto::memory::Memory;
use ivring_proto::session::{CloseReason, Phase};

use crate::world::World;

#[test]
fn a_new_daemon_takes_sessions_over_and_nothing_is_lost() {
    let mut world = World::new(2);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    let channel = guest.channel();
    world.send_to(channel, "published before the kill");
    world.host = None;
    guest.send("sent while it was dead");
    world.run(Duration::from_secs(8), &mut [&mut guest]);
    world.start_host();
    world.settle(&mut [&mut guest]);
    world.send_to(channel, "after");
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.texts(), ["published before the kill", "after"]);
    assert_eq!(world.host().received, [(channel, "sent while it was dead".to_owned(), false)]);
    assert!(guest.events.contains(&GuestEvent::HostStale), "{:?}", guest.events);
    assert!(guest.events.contains(&GuestEvent::HostRestarted), "{:?}", guest.events);
    assert_eq!(guest.events.iter().filter(|event| matches!(event, GuestEvent::Attached { .. })).count(), 1);
}

#[test]
fn a_scribbled_directory_costs_nothing_when_the_host_remembers() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    world.remembered = world.host().ends[0].channel().binding().copied();
    world.host = None;
    let entry = world.superblock.geometry.channel(0).unwrap().entry;
    for at in (entry..entry + 128).step_by(8) {
        world.memory.store(at, 0x5555_5555_5555_5555);
    }
    world.start_host();
    guest.send("sent meanwhile");
    world.settle(&mut [&mut guest]);
    world.send_to(0, "still here");
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.texts(), ["still here"]);
    assert_eq!(world.host().received, [(0, "sent meanwhile".to_owned(), false)]);
    assert!(!guest.events.iter().any(|event| matches!(event, GuestEvent::Detached(_))), "{:?}", guest.events);
}

#[test]
fn what_the_host_remembers_of_a_guest_that_left_is_not_believed() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    world.remembered = world.host().ends[0].channel().binding().copied();
    guest.end.bye();
    world.settle(&mut []);
    world.host = None;
    world.start_host();
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
}

#[test]
fn a_daemon_that_leaves_says_so_and_is_missed_until_it_is_back() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    let mut host = world.host.take().unwrap();
    host.pulse.leave(&world.memory);
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.events.last(), Some(&GuestEvent::HostAway));
    world.start_host();
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.events.last(), Some(&GuestEvent::HostBack));
}

#[test]
fn an_offer_that_a_host_died_over_leaves_the_ring_to_the_guest_as_it_was() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    world.send_to(0, "first");
    world.send_to(0, "second");
    // What the echo for another program of the same boot stores first.
    let entry = world.superblock.geometry.channel(0).unwrap().entry;
    world.memory.store(entry + entry_word::NONCE, 0);
    world.memory.store(entry + entry_word::SALT, 0x5555);
    // Two hosts, for what the first does about it must be found by the second too.
    for _ in 0..2 {
        world.start_host();
        world.settle(&mut []);
        assert_eq!(world.host().ends[0].channel().phase(), Phase::Closed(CloseReason::Superseded));
    }
    let mut next = world.guest(1, 11);
    world.settle(&mut [&mut guest, &mut next]);
    assert_eq!(next.texts(), ["first", "second"]);
    assert_eq!(guest.events.last(), Some(&GuestEvent::Superseded));
    assert_eq!(world.host().refused, []);
    next.send("third");
    world.settle(&mut [&mut next]);
    assert_eq!(world.host().received, [(0, "third".to_owned(), false)]);
}

#[test]
fn an_offer_to_somebody_else_that_a_host_died_over_leaves_a_free_channel() {
    let mut world = World::new(1);
    let entry = world.superblock.geometry.channel(0).unwrap().entry;
    world.memory.store(entry + entry_word::UUID, 7);
    world.memory.store(entry + entry_word::TO_GUEST_SALT, 8);
    world.start_host();
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
}

#[test]
fn an_ending_that_a_host_died_over_is_ended_by_the_next() {
    for restarts in 1..3 {
        let mut world = World::new(1);
        world.start_host();
        let mut guest = world.guest(1, 11);
        world.settle(&mut [&mut guest]);
        guest.send("first");
        guest.send("second");
        guest.end.bye();
        world.busy = true;
        world.step_host();
        assert_eq!(world.host().ends[0].channel().phase(), Phase::Closed(CloseReason::Bye));
        for _ in 0..restarts {
            world.start_host();
            assert!(world.host().ends[0].is_changing_hands());
        }
        world.busy = false;
        world.settle(&mut []);
        let texts: Vec<_> = world.host().received.iter().map(|(_, text, _)| text.as_str()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
    }
}

#[test]
fn a_session_of_a_version_that_this_host_does_not_speak_is_closed_and_joined_anew() {
    let mut world = World::new(2);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    // As a newer host would have begun it.
    let entry = world.superblock.geometry.channel(0).unwrap().entry;
    world.memory.store(entry + entry_word::VERSION, u64::from(Version { major: 1, minor: 99 }.to_bits()));
    world.start_host();
    world.run(Duration::from_secs(4), &mut [&mut guest]);
    assert!(guest.events.contains(&GuestEvent::Detached(CloseReason::HostFault)), "{:?}", guest.events);
    assert!(guest.end.is_attached());
    assert_eq!(world.host().ends[0].channel().binding().unwrap().version, Version::CURRENT);
}
