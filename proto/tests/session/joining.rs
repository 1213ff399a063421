//! Getting in, and being kept out.

use std::time::Duration;

use ivring_proto::link::{GuestEvent, HostEnd, HostEvent, Kind, SendError, Topic, Waiting};
use ivring_proto::memory::HeapMemory;
use ivring_proto::session::{CloseReason, Phase, Refusal, Uuid};

use crate::world::{Guest, World};

#[test]
fn two_guests_join_and_talk_both_ways() {
    let mut world = World::new(3);
    world.start_host();
    let (mut a, mut b) = (world.guest(1, 11), world.guest(2, 22));
    world.settle(&mut [&mut a, &mut b]);
    assert!(a.end.is_attached() && b.end.is_attached(), "{:?} {:?}", a.events, b.events);
    assert_ne!(a.channel(), b.channel());
    a.send("from a");
    b.send("from b");
    let (ca, cb) = (a.channel(), b.channel());
    world.send_to(ca, "to a");
    world.send_to(cb, "to b");
    world.settle(&mut [&mut a, &mut b]);
    assert_eq!(a.texts(), ["to a"]);
    assert_eq!(b.texts(), ["to b"]);
    let mut received = world.host().received.clone();
    received.sort();
    let mut expected = vec![(ca, "from a".to_owned(), false), (cb, "from b".to_owned(), false)];
    expected.sort();
    assert_eq!(received, expected);
}

#[test]
fn a_guest_that_was_there_before_the_host_gets_in() {
    let mut world = World::new(1);
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.events, [GuestEvent::Waiting(Waiting::Host)]);
    world.start_host();
    world.settle(&mut [&mut guest]);
    assert!(guest.end.is_attached(), "{:?}", guest.events);
}

#[test]
fn a_request_left_by_a_guest_that_is_gone_is_not_answered() {
    let mut world = World::new(1);
    let mut gone = world.guest(1, 11);
    world.settle(&mut [&mut gone]);
    drop(gone);
    world.start_host();
    world.settle(&mut []);
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
}

#[test]
fn sixteen_cells_serve_forty_guests_at_once() {
    let mut world = World::new(40);
    world.start_host();
    let mut guests: Vec<Guest> = (1..=40).map(|uuid| world.guest(uuid, 100 + uuid)).collect();
    let mut all: Vec<&mut Guest> = guests.iter_mut().collect();
    world.run(Duration::from_secs(20), &mut all);
    let mut channels: Vec<usize> = guests.iter().map(Guest::channel).collect();
    channels.sort_unstable();
    assert_eq!(channels, (0..40).collect::<Vec<_>>());
}

#[test]
fn one_guest_more_than_channels_is_refused_and_gets_in_when_one_leaves() {
    let mut world = World::new(2);
    world.start_host();
    let (mut a, mut b, mut c) = (world.guest(1, 1), world.guest(2, 2), world.guest(3, 3));
    world.settle(&mut [&mut a, &mut b]);
    world.settle(&mut [&mut a, &mut b, &mut c]);
    let refused = c.events.iter().find_map(|event| match event {
        GuestEvent::Waiting(Waiting::Refused(answer)) => Some(*answer),
        _ => None,
    });
    let answer = refused.expect("refused");
    assert_eq!(answer.refusal, Refusal::Full { channels: 2 });
    assert!(answer.text.as_str().starts_with("all 2 channels are taken"), "{}", answer.text);
    assert!(world.host().refused.iter().all(|refused| refused.request.identity.uuid == Uuid::from_u128(3)));
    a.end.bye();
    world.settle(&mut [&mut b, &mut c]);
    assert!(c.end.is_attached(), "{:?}", c.events);
}

/// The old session is still being received when the new request is found; a guest repeats a request after 200 ms at best.
#[test]
fn a_guest_that_leaves_and_joins_at_once_does_not_wait_for_its_next_attempt() {
    let mut world = World::new(1);
    world.start_host();
    let mut before = world.guest(1, 11);
    world.settle(&mut [&mut before]);
    world.busy = true;
    before.end.send(Topic::new("t").unwrap(), b"last").unwrap();
    before.end.bye();
    let mut after = world.guest(1, 11);
    world.run(Duration::from_millis(20), &mut [&mut after]);
    assert!(!after.end.is_attached());
    world.busy = false;
    world.run(Duration::from_millis(20), &mut [&mut after]);
    assert!(after.end.is_attached(), "{:?}", after.events);
    assert_eq!(world.host().received, [(0, "last".to_owned(), false)]);
}

#[test]
fn nothing_is_sent_without_a_session() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    let topic = Topic::new("t").unwrap();
    assert_eq!(guest.end.send(topic, b"x"), Err(SendError::NotAttached));
    let end = &mut world.host().ends[0];
    assert_eq!(end.send_with(|link| link.send(topic, b"x")), Err(SendError::NotAttached));
}

#[test]
fn a_ping_is_answered_by_the_link_itself() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    let end = &mut world.host().ends[0];
    end.send_with(|link| {
        link.ping(77, b"payload")?;
        link.flush();
        Ok(())
    })
    .unwrap();
    world.now += Duration::from_millis(1);
    world.step_guest(&mut guest);
    let mut buffer = vec![0; 1 << 20];
    let pong = world.host().ends[0].receive(&mut buffer).unwrap().expect("a pong");
    assert_eq!((pong.kind, pong.id, pong.payload), (Kind::Pong, 77, &b"payload"[..]));
    assert!(guest.received.is_empty());
}

/// A guest that asks for a channel, is offered one, and is not seen again.
fn asks_and_goes(world: &mut World, uuid: u128) -> usize {
    let mut guest = world.guest(uuid, uuid);
    loop {
        world.now += Duration::from_millis(1);
        let offered = |end: &HostEnd<HeapMemory>| {
            end.channel().phase() == Phase::Offered
                && end
                    .channel()
                    .binding()
                    .is_some_and(|binding| binding.identity.uuid == Uuid::from_u128(uuid))
        };
        if let Some(channel) = world.host().ends.iter().position(offered) {
            return channel;
        }
        world.step_guest(&mut guest);
        world.step_host();
    }
}

#[test]
fn somebody_new_who_asks_and_does_not_come_keeps_no_channel() {
    let mut world = World::new(2);
    world.start_host();
    asks_and_goes(&mut world, 7);
    asks_and_goes(&mut world, 8);
    let mut guest = world.guest(1, 11);
    world.run(Duration::from_secs(9), &mut [&mut guest]);
    assert!(!guest.end.is_attached(), "given away before its time");
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    assert!(guest.end.is_attached(), "{:?}", guest.events);
    let not_taken = |event: &(usize, HostEvent)| {
        matches!(event.1, HostEvent::Detached { reason: CloseReason::NotTaken, .. })
    };
    assert_eq!(world.host().events.iter().filter(|event| not_taken(event)).count(), 2);
}

#[test]
fn somebody_new_is_not_waited_for_either_after_a_second_writer() {
    let mut world = World::new(1);
    world.start_host();
    asks_and_goes(&mut world, 7);
    world.host().ends[0].abandon();
    world.host().ends[0].rewrite();
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    assert!(guest.end.is_attached(), "{:?}", guest.events);
}

#[test]
fn an_owner_whose_next_program_does_not_come_keeps_the_channel() {
    let mut world = World::new(1);
    world.start_host();
    let mut first = world.guest(7, 7);
    world.settle(&mut [&mut first]);
    drop(first);
    world.send_to(0, "for the one after the next");
    asks_and_goes(&mut world, 7);
    let mut other = world.guest(1, 11);
    world.run(Duration::from_secs(30), &mut [&mut other]);
    assert!(!other.end.is_attached());
    let mut third = world.guest(7, 7);
    world.settle(&mut [&mut third]);
    assert_eq!(third.texts(), ["for the one after the next"]);
}
