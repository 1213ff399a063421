//! The guest's program ends, is killed, reboots or pauses.

use std::time::Duration;

use ivring_proto::link::{GuestEvent, HostEvent};
use ivring_proto::ring::Fault;
use ivring_proto::session::{CloseReason, Phase};

use crate::world::{Guest, World};

#[test]
fn an_agent_that_was_killed_gets_its_channel_back_and_both_rings_go_on() {
    let mut world = World::new(2);
    world.start_host();
    let mut old = world.guest(1, 11);
    world.settle(&mut [&mut old]);
    let channel = old.channel();
    old.send("sent before the kill");
    drop(old);
    world.send_to(channel, "sent while it was dead");
    let mut new = world.guest(1, 11);
    world.settle(&mut [&mut new]);
    assert_eq!(new.channel(), channel);
    assert_eq!(new.texts(), ["sent while it was dead"]);
    new.send("after");
    world.settle(&mut [&mut new]);
    let texts: Vec<String> = world.host().received.iter().map(|(_, text, _)| text.clone()).collect();
    assert_eq!(texts, ["sent before the kill", "after"]);
    assert!(world.host().events.iter().any(|(_, event)| *event == HostEvent::Attached { resumed: true }));
}

#[test]
fn a_message_handed_over_before_the_kill_comes_again_and_is_marked() {
    let mut world = World::new(1);
    world.start_host();
    let mut old = world.guest(1, 11);
    world.settle(&mut [&mut old]);
    world.send_to(0, "one");
    world.send_to(0, "two");
    // Handed over, never said to be done with: the process dies in its handler.
    let mut buffer = vec![0; 1 << 20];
    let received = old.end.receive(world.now, &mut buffer).unwrap().expect("one");
    assert!(!received.redelivered);
    drop(old);
    let mut new = world.guest(1, 11);
    world.settle(&mut [&mut new]);
    assert_eq!(new.received, [("one".to_owned(), true), ("two".to_owned(), false)]);
}

#[test]
fn an_agent_that_slept_and_finds_what_its_successor_wrote_does_not_take_the_channel_back() {
    for looks_at_its_ring in [true, false] {
        let mut world = World::new(2);
        world.start_host();
        let mut older = world.guest(1, 11);
        world.settle(&mut [&mut older]);
        let channel = older.channel();
        let mut newer = world.guest(1, 11);
        world.settle(&mut [&mut newer]);
        newer.send("from the newer");
        world.settle(&mut [&mut newer]);
        if looks_at_its_ring {
            // As far as this one knows, nothing was published that the host can have received.
            let link = older.end.link().unwrap();
            assert!(matches!(link.tx().head(), Err(Fault::Head { .. })), "{:?}", link.tx().fault());
        } else {
            // To the newer, round the ring and over where the older one is.
            let text = "x".repeat(60_000);
            for _ in 0..8 {
                world.send_to(channel, &text);
                world.run(Duration::from_millis(2), &mut [&mut newer]);
            }
            assert_eq!(older.end.receive(world.now, &mut world.buffer), Ok(None));
        }
        world.settle(&mut [&mut older, &mut newer]);
        assert_eq!(older.events.last(), Some(&GuestEvent::Superseded), "{:?}", older.events);
        world.send_to(channel, "to the newer");
        world.settle(&mut [&mut older, &mut newer]);
        assert_eq!(newer.texts().last(), Some(&"to the newer"));
        assert!(!newer.events.contains(&GuestEvent::Superseded), "{:?}", newer.events);
    }
}

/// Two programs of one guest: the older one sleeps since before the newer one took the channel.
fn older_and_newer() -> (World, Guest, Guest) {
    let mut world = World::new(2);
    world.start_host();
    let mut older = world.guest(1, 11);
    world.settle(&mut [&mut older]);
    let mut newer = world.guest(1, 11);
    world.settle(&mut [&mut newer]);
    (world, older, newer)
}

#[test]
fn an_agent_that_slept_and_breaks_its_successors_ring_does_not_take_the_channel_back() {
    let (mut world, mut older, mut newer) = older_and_newer();
    // The older one was in the midst of a record when it fell asleep: the end of that goes over what the newer one has there.
    world.break_ring_of(&mut newer);
    // The newer one does not come to find out before the older one goes on.
    world.run(Duration::from_millis(20), &mut [&mut older]);
    world.run(Duration::from_secs(10), &mut [&mut older, &mut newer]);
    assert_eq!(older.events.last(), Some(&GuestEvent::Superseded), "{:?}", older.events);
    assert!(!newer.events.contains(&GuestEvent::Superseded), "{:?}", newer.events);
    assert!(newer.end.is_attached());
}

#[test]
fn an_agent_whose_successor_ended_after_a_fault_takes_the_channel_back() {
    let (mut world, mut older, mut newer) = older_and_newer();
    world.break_ring_of(&mut newer);
    world.run(Duration::from_millis(10), &mut [&mut newer]);
    drop(newer);
    world.run(Duration::from_secs(10), &mut [&mut older]);
    assert!(older.end.is_attached(), "{:?}", older.events);
}

#[test]
fn the_older_of_two_agents_is_superseded_and_stays_away() {
    let mut world = World::new(2);
    world.start_host();
    let mut old = world.guest(1, 11);
    world.settle(&mut [&mut old]);
    let channel = old.channel();
    let mut new = world.guest(1, 11);
    world.run(Duration::from_secs(10), &mut [&mut old, &mut new]);
    assert!(old.end.has_ended());
    assert_eq!(old.events.last(), Some(&GuestEvent::Superseded));
    assert_eq!(new.channel(), channel);
}

#[test]
fn after_a_reboot_undelivered_messages_are_told_and_published_ones_delivered() {
    let mut world = World::new(2);
    world.start_host();
    let mut old = world.guest(1, 11);
    world.settle(&mut [&mut old]);
    let channel = old.channel();
    old.send("last words");
    drop(old);
    world.send_to(channel, "never read");
    world.send_to(channel, "nor this");
    let mut new = world.guest(1, 12);
    world.run(Duration::from_secs(5), &mut [&mut new]);
    assert_eq!(new.channel(), channel);
    assert!(new.received.is_empty(), "{:?}", new.received);
    let host = world.host();
    assert_eq!(host.received, [(channel, "last words".to_owned(), false)]);
    let undelivered = host.events.iter().find_map(|(_, event)| match event {
        HostEvent::Undelivered { what, .. } => Some(what.count),
        _ => None,
    });
    assert_eq!(undelivered, Some(2));
    assert!(
        host.events
            .iter()
            .any(|(_, event)| matches!(event, HostEvent::Detached { reason: CloseReason::Rebooted, .. }))
    );
}

#[test]
fn silence_makes_a_session_stale_and_never_frees_the_channel() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    // Paused for ten minutes, far beyond every limit.
    world.run(Duration::from_secs(600), &mut []);
    world.send_to(0, "waiting for you");
    assert!(world.host().events.iter().any(|(_, event)| *event == HostEvent::Stale));
    world.settle(&mut [&mut guest]);
    assert!(guest.end.is_attached(), "{:?}", guest.events);
    assert_eq!(guest.texts(), ["waiting for you"]);
    guest.send("here I am");
    world.settle(&mut [&mut guest]);
    assert!(world.host().events.iter().any(|(_, event)| *event == HostEvent::Back));
    assert_eq!(world.host().received, [(0, "here I am".to_owned(), false)]);
}

#[test]
fn an_evicted_guest_reads_why_and_comes_back_later() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    world.send_to(0, "too late");
    world.host().ends[0].end(CloseReason::Evicted);
    world.step_host();
    world.step_host();
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
    world.run(Duration::from_secs(1), &mut [&mut guest]);
    assert!(guest.events.contains(&GuestEvent::Detached(CloseReason::Evicted)), "{:?}", guest.events);
    world.run(Duration::from_secs(6), &mut [&mut guest]);
    assert!(guest.end.is_attached());
}

#[test]
fn what_the_guest_was_done_with_is_not_told_as_undelivered() {
    let mut world = World::new(1);
    world.start_host();
    let mut old = world.guest(1, 11);
    world.settle(&mut [&mut old]);
    for text in ["one", "two", "three"] {
        world.send_to(0, text);
    }
    // The first is done with, though its space is not given back yet; of the second nobody knows.
    let mut buffer = vec![0; 1 << 20];
    old.end.receive(world.now, &mut buffer).unwrap().expect("one");
    old.end.receive(world.now, &mut buffer).unwrap().expect("two");
    drop(old);
    let mut new = world.guest(1, 12);
    world.run(Duration::from_secs(5), &mut [&mut new]);
    let undelivered = world.host().events.iter().find_map(|(_, event)| match event {
        HostEvent::Undelivered { what, .. } => Some(what.count),
        _ => None,
    });
    assert_eq!(undelivered, Some(2));
}

#[test]
fn a_channel_that_was_given_to_somebody_who_never_comes_is_taken_back() {
    let mut world = World::new(2);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    let channel = guest.channel();
    // Asks as the guest's next program would, and is gone.
    let mut nobody = world.guest(1, 11);
    nobody.end.poll(world.now, &mut || 77);
    nobody.end.poll(world.now, &mut || 78);
    world.run(Duration::from_secs(2), &mut [&mut guest]);
    assert!(!guest.end.is_attached() && !guest.end.has_ended(), "{:?}", guest.events);
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    assert!(guest.events.contains(&GuestEvent::Detached(CloseReason::Superseded)), "{:?}", guest.events);
    assert_eq!(guest.channel(), channel);
    guest.send("still here");
    world.settle(&mut [&mut guest]);
    assert_eq!(world.host().received.last().map(|(_, text, _)| text.as_str()), Some("still here"));
}
