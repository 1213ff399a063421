//! Somebody writes what he should not: clones, scribblers, broken rings.

use std::time::Duration;

use ivring_proto::layout::control_word;
use ivring_proto::link::{GuestEvent, HostEvent, LinkError, Waiting};
use ivring_proto::memory::Memory;
use ivring_proto::ring::Fault;
use ivring_proto::session::{CloseReason, Phase, Refusal};

use crate::world::World;

#[test]
fn a_clone_with_another_boot_is_refused_while_the_incumbent_lives() {
    let mut world = World::new(2);
    world.start_host();
    let mut incumbent = world.guest(1, 11);
    world.settle(&mut [&mut incumbent]);
    let mut clone = world.guest(1, 12);
    world.run(Duration::from_secs(4), &mut [&mut incumbent, &mut clone]);
    assert!(incumbent.end.is_attached());
    assert!(!clone.end.is_attached());
    assert!(
        clone.events.iter().any(|event| matches!(
            event,
            GuestEvent::Waiting(Waiting::Refused(answer)) if answer.refusal == Refusal::DuplicateIdentity
        )),
        "{:?}",
        clone.events
    );
}

#[test]
fn nothing_is_read_from_a_guest_that_never_confirmed() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    // The request is written and echoed, and the guest is stopped before it confirms.
    while world.host().ends[0].channel().phase() != Phase::Offered {
        world.now += Duration::from_millis(1);
        if guest.events.is_empty() && world.host().ends[0].channel().phase() == Phase::Free {
            world.step_guest(&mut guest);
        }
        world.step_host();
    }
    let place = world.superblock.geometry.channel(0).unwrap();
    world.memory.store(place.to_host.data, u64::MAX);
    world.host().ends[0].end(CloseReason::VmGone);
    world.step_host();
    world.step_host();
    let events = world.host().events.clone();
    assert!(
        matches!(events[..], [(0, HostEvent::Detached { reason: CloseReason::VmGone, .. })]),
        "{events:?}"
    );
    assert_eq!(world.host().ends[0].channel().phase(), Phase::Free);
}

#[test]
fn a_guest_that_breaks_its_ring_is_closed_alone_and_heals_by_joining() {
    let mut world = World::new(2);
    world.start_host();
    let (mut bad, mut good) = (world.guest(1, 11), world.guest(2, 22));
    world.settle(&mut [&mut bad, &mut good]);
    world.break_ring_of(&mut bad);
    good.send("still here");
    world.settle(&mut [&mut bad, &mut good]);
    assert!(bad.events.contains(&GuestEvent::Detached(CloseReason::HostFault)), "{:?}", bad.events);
    world.run(Duration::from_secs(3), &mut [&mut bad, &mut good]);
    assert!(bad.end.is_attached() && good.end.is_attached());
    bad.send("healed");
    world.settle(&mut [&mut bad, &mut good]);
    let texts: Vec<String> = world.host().received.iter().map(|(_, text, _)| text.clone()).collect();
    assert_eq!(texts, ["still here", "healed"]);
}

#[test]
fn a_ring_whose_ends_will_never_meet_again_is_given_up() {
    let mut world = World::new(1);
    world.start_host();
    let mut guest = world.guest(1, 11);
    world.settle(&mut [&mut guest]);
    // The guest's producer says that there is more, and nothing is there to be read.
    let hint = world.superblock.geometry.channel(0).unwrap().to_host.producer + control_word::HINT;
    world.memory.store(hint, world.memory.load(hint) + 64);
    world.run(Duration::from_millis(1900), &mut [&mut guest]);
    assert!(guest.end.is_attached() && guest.events.len() == 1, "too early: {:?}", guest.events);
    world.run(Duration::from_secs(1), &mut [&mut guest]);
    assert!(guest.events.contains(&GuestEvent::Detached(CloseReason::HostFault)), "{:?}", guest.events);
    let position = world.memory.load(hint) - 64;
    let fault = Fault::Wedged { hint: position + 64, position };
    let told = |(_, event): &(usize, HostEvent)| matches!(event, HostEvent::Fault { error: LinkError::Fault(found), .. } if *found == fault);
    assert!(world.host().events.iter().any(told), "{:?}", world.host().events);
    // And the other way round.
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    assert!(guest.end.is_attached());
    let hint = world.superblock.geometry.channel(0).unwrap().to_guest.producer + control_word::HINT;
    world.memory.store(hint, world.memory.load(hint) + 64);
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    let fault = Fault::Wedged { hint: world.memory.load(hint), position: world.memory.load(hint) - 64 };
    assert!(guest.events.contains(&GuestEvent::Fault(fault.into())), "{:?}", guest.events);
}
