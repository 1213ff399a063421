//! Somebody else writes in a side's place: a region that is put back, another host, a clone.

use std::time::Duration;

use ivring_proto::layout::control_word;
use ivring_proto::link::{GuestEvent, HostEvent};
use ivring_proto::memory::Memory;
use ivring_proto::session::{CloseReason, Phase};

use crate::world::{Guest, World};

const SIZE: u64 = 1 << 20;
/// A host that found another writer looks on for 2.5 s, and a guest asks again after a second.
const HEALED: Duration = Duration::from_millis(4000);

/// The region as it is now.
fn image(world: &World) -> Vec<u64> {
    (0..SIZE).step_by(8).map(|at| world.memory.load(at)).collect()
}

/// Puts the region back to an image.
fn revert(world: &World, image: &[u64]) {
    for (at, word) in (0..SIZE).step_by(8).zip(image) {
        world.memory.store(at, *word);
    }
}

fn ends(guest: &Guest) -> Vec<&GuestEvent> {
    let is_end = |event: &&GuestEvent| matches!(event, GuestEvent::Detached(_) | GuestEvent::Superseded);
    guest.events.iter().filter(is_end).collect()
}

fn detached(world: &mut World) -> Vec<(usize, CloseReason)> {
    let reason = |(index, event): &(usize, HostEvent)| match event {
        HostEvent::Detached { reason, .. } => Some((*index, *reason)),
        _ => None,
    };
    world.host().events.iter().filter_map(reason).collect()
}

fn received(world: &mut World) -> Vec<String> {
    std::mem::take(&mut world.host().received).into_iter().map(|(_, text, _)| text).collect()
}

#[test]
fn a_region_that_is_put_back_ends_every_session_and_nothing_old_comes_again() {
    let mut world = World::new(3);
    world.start_host();
    let (mut a, mut b) = (world.guest(1, 11), world.guest(2, 22));
    world.settle(&mut [&mut a, &mut b]);
    // What the image holds: messages in both rings that are received a moment later.
    for number in 0..20 {
        a.send(&format!("before {number}"));
        let channel = b.channel();
        world.send_to(channel, &format!("down {number}"));
    }
    let image = image(&world);
    world.settle(&mut [&mut a, &mut b]);
    assert_eq!((received(&mut world).len(), b.received.len()), (20, 20));
    revert(&world, &image);
    world.run(HEALED, &mut [&mut a, &mut b]);
    let reason = CloseReason::SecondWriter;
    let mut ended = detached(&mut world);
    ended.sort_by_key(|(index, _)| *index);
    assert_eq!(ended, [(0, reason), (1, reason)]);
    assert_eq!(
        (ends(&a), ends(&b)),
        (vec![&GuestEvent::Detached(reason)], vec![&GuestEvent::Detached(reason)])
    );
    assert!(a.end.is_attached() && b.end.is_attached());
    assert_eq!(received(&mut world), [""; 0], "what the image held was delivered again");
    assert_eq!(b.received.len(), 20, "{:?}", b.texts());
    a.send("up again");
    let channel = b.channel();
    world.send_to(channel, "down again");
    world.settle(&mut [&mut a, &mut b]);
    assert_eq!(received(&mut world), ["up again"]);
    assert_eq!(b.texts().last(), Some(&"down again"));
}

#[test]
fn a_guest_whose_older_session_comes_back_is_not_superseded() {
    // The program, the machine, or the whole guest is newer than the image.
    for (boot, had_session) in [(22, true), (23, true), (22, false)] {
        let mut world = World::new(2);
        world.start_host();
        let mut other = world.guest(1, 11);
        let mut old = world.guest(2, 22);
        let mut present = vec![&mut other];
        if had_session {
            present.push(&mut old);
        }
        world.settle(&mut present);
        let image = image(&world);
        drop(old);
        let mut new = world.guest(2, boot);
        // The old one is silent when another boot asks.
        world.run(HEALED, &mut [&mut other, &mut new]);
        assert!(new.end.is_attached(), "{boot} {had_session}: {:?}", new.events);
        revert(&world, &image);
        world.run(HEALED, &mut [&mut other, &mut new]);
        assert_eq!(ends(&new), [&GuestEvent::Detached(CloseReason::SecondWriter)], "{boot} {had_session}");
        assert!(new.end.is_attached() && other.end.is_attached());
    }
}

#[test]
fn a_guest_that_went_back_with_the_region_loses_what_it_had_then() {
    let mut world = World::new(1);
    world.start_host();
    let mut gone_back = world.guest(1, 11);
    world.settle(&mut [&mut gone_back]);
    let image = image(&world);
    // Its future, which will not have been: it ends, and another guest has the channel.
    world.host().ends[0].end(CloseReason::Bye);
    let mut next = world.guest(2, 22);
    world.run(HEALED, &mut [&mut next]);
    assert!(next.end.is_attached());
    revert(&world, &image);
    world.run(HEALED, &mut [&mut gone_back, &mut next]);
    assert_eq!(ends(&next), [&GuestEvent::Detached(CloseReason::SecondWriter)]);
    assert!(next.end.is_attached(), "the channel is still its own");
    assert!(!gone_back.end.is_attached() && !gone_back.end.has_ended(), "{:?}", gone_back.events);
    next.send("mine");
    world.settle(&mut [&mut gone_back, &mut next]);
    assert_eq!(received(&mut world), ["mine"]);
    // The same with nobody else there.
    world.host().ends[0].end(CloseReason::Bye);
    drop(next);
    world.run(Duration::from_secs(8), &mut [&mut gone_back]);
    assert!(gone_back.end.is_attached(), "{:?}", gone_back.events);
}

#[test]
fn a_channel_freed_since_then_says_why_to_whom_it_belonged_then() {
    let mut world = World::new(1);
    world.start_host();
    let mut gone_back = world.guest(1, 11);
    world.settle(&mut [&mut gone_back]);
    let image = image(&world);
    world.host().ends[0].end(CloseReason::VmGone);
    world.settle(&mut []);
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
    revert(&world, &image);
    world.run(HEALED, &mut [&mut gone_back]);
    assert_eq!(ends(&gone_back), [&GuestEvent::Detached(CloseReason::SecondWriter)]);
    assert!(gone_back.end.is_attached(), "{:?}", gone_back.events);
}

#[test]
fn of_two_hosts_on_one_region_only_the_newcomer_serves() {
    let mut world = World::new(2);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    guest.send("to the first");
    world.settle(&mut [&mut guest]);
    let mut first = world.host.take();
    world.start_host();
    let mut second = world.host.take();
    let mut both = |world: &mut World, guest: &mut Guest, span: u64| {
        for _ in 0..span {
            for host in [&mut first, &mut second] {
                std::mem::swap(&mut world.host, host);
                world.step_host();
                std::mem::swap(&mut world.host, host);
            }
            world.run(Duration::from_millis(1), &mut [guest]);
        }
    };
    both(&mut world, &mut guest, 2000);
    guest.send("to the second");
    both(&mut world, &mut guest, 4000);
    let (mut first, mut second) = (first.expect("it is here"), second.expect("it is here"));
    assert!(first.pulse.stands_by() && !second.pulse.stands_by());
    assert_eq!(second.events, [], "it took the sessions over and keeps them");
    let texts: Vec<_> = first.received.drain(..).chain(second.received.drain(..)).collect();
    let texts: Vec<_> = texts.iter().map(|(channel, text, _)| (*channel, text.as_str())).collect();
    assert_eq!(texts, [(0, "to the first"), (0, "to the second")]);
    assert_eq!(guest.events[1..], [GuestEvent::HostRestarted]);
    // The newcomer ends without a word: the other one serves the region again.
    drop(second);
    world.host = Some(first);
    world.run(HEALED + HEALED, &mut [&mut guest]);
    assert!(guest.end.is_attached() && !world.host().pulse.stands_by());
    guest.send("to the first again");
    world.settle(&mut [&mut guest]);
    assert_eq!(received(&mut world), ["to the first again"]);
    assert_eq!(ends(&guest), [&GuestEvent::Detached(CloseReason::SecondWriter)]);
}

#[test]
fn a_guest_that_found_another_writer_says_so_and_nothing_of_its_session_goes_on() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    let place = world.superblock.geometry.channel(0).unwrap();
    let heartbeat = place.guest_control + control_word::SESSION + control_word::HEARTBEAT;
    world.memory.store(heartbeat, world.memory.load(heartbeat) + 1);
    // Found at the next look, and not only when a beat is due.
    world.run(Duration::from_millis(10), &mut [&mut guest]);
    assert_eq!(ends(&guest), [&GuestEvent::Detached(CloseReason::SecondWriter)]);
    // Whoever writes there may have taken this, or not: the newcomer is not given it.
    world.send_to(0, "in between");
    world.run(HEALED, &mut [&mut guest]);
    assert!(guest.end.is_attached());
    assert_eq!(detached(&mut world), [(0, CloseReason::SecondWriter)]);
    let events = world.host().events.clone();
    assert!(
        events
            .iter()
            .any(|(_, event)| matches!(event, HostEvent::Undelivered { what, .. } if what.count == 1)),
        "{events:?}"
    );
    assert!(matches!(events.last(), Some((0, HostEvent::Attached { resumed: false }))), "{events:?}");
    assert_eq!(guest.texts(), [""; 0]);
}
