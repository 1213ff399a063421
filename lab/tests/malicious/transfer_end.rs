//! The end of a transfer (§7.8), as the other side says it of what this side sends.

use ivring_guest::Event as GuestEvent;
use ivring_host::Event as HostEvent;
use ivring_lab::malicious_peer::{Truth, Way, envelope};
use ivring_proto::link::Declined;

use crate::envelope::WAYS;
use crate::world::World;

const END: u8 = 8;

/// How a message in fragments ended, as its sender was told.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Delivered(u64),
    Declined(u64, Declined),
    Interrupted(u64),
}

fn ended(world: &World, sender: Way) -> Option<Ended> {
    match sender {
        Way::ToHost => world.at_host.iter().find_map(|event| match event {
            HostEvent::Delivered { id, .. } => Some(Ended::Delivered(*id)),
            HostEvent::Declined { id, why, .. } => Some(Ended::Declined(*id, *why)),
            HostEvent::Interrupted { id, .. } => Some(Ended::Interrupted(*id)),
            _ => None,
        }),
        Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
            GuestEvent::Delivered { id } => Some(Ended::Delivered(*id)),
            GuestEvent::Declined { id, why, .. } => Some(Ended::Declined(*id, *why)),
            GuestEvent::Interrupted { id, .. } => Some(Ended::Interrupted(*id)),
            _ => None,
        }),
    }
}

/// Begins a message in fragments that is never received, and returns its number: its ends come by that way.
fn begin(world: &mut World, ends: Way) -> u64 {
    let (who, payload) = (world.who(), vec![0; 100_000]);
    let id = match ends {
        Way::ToHost => {
            world.deaf = true;
            world.host().send(&who, "topic", &payload).expect("it is kept")
        }
        Way::ToGuest => {
            world.kill_host();
            world.guest().send("topic", &payload).expect("it is kept")
        }
    };
    world.settle();
    assert_eq!(ended(world, ends), None);
    world.found_nothing("a message under way");
    id
}

/// Both sides listen again, with nothing under way.
fn heal(world: &mut World, ends: Way) {
    if ends == Way::ToGuest {
        world.start_host(|_| {});
    }
    world.heals();
}

#[test]
fn transfer() {
    for way in WAYS {
        let mut world = World::new();
        let earlier = begin(&mut world, way);
        heal(&mut world, way);
        let id = begin(&mut world, way);
        let mut scribe = world.scribe(way);
        for lie in (Truth { now: id, earlier, anothers: 1 << 63 | 7 << 32 | 1 }).lies() {
            scribe.push(END, &envelope(lie.value, 0, 0, "", b""));
            world.until_received(way, &scribe, lie.what);
            assert_eq!(ended(&world, way), None, "{lie:?}");
        }
        scribe.push(END, &envelope(id, 0, 0, "", b""));
        world.until("the end", |world| ended(world, way).is_some());
        assert_eq!(ended(&world, way), Some(Ended::Delivered(id)));
        world.found_nothing("ends of nothing");
        heal(&mut world, way);
        world.finish();
    }
}

#[test]
fn status() {
    for way in WAYS {
        let mut world = World::new();
        for code in [0, 1, 2, 3, 4, 0x7fff, 0x8000, 0xffff] {
            let id = begin(&mut world, way);
            let mut scribe = world.scribe(way);
            scribe.push(END, &envelope(id, 0xff, code, "", b"what is here is ignored"));
            world.until("the end", |world| ended(world, way).is_some());
            let expected = match code {
                0 => Ended::Delivered(id),
                1 => Ended::Declined(id, Declined::TooLarge),
                2 => Ended::Declined(id, Declined::NoMemory),
                _ => Ended::Interrupted(id),
            };
            assert_eq!(ended(&world, way), Some(expected), "status {code}");
            // Said again, of a transfer that has ended.
            world.at_host.clear();
            world.at_guest.clear();
            scribe.push(END, &envelope(id, 0, 3, "", b""));
            world.until_received(way, &scribe, "the end again");
            assert_eq!(ended(&world, way), None, "status {code}");
            world.found_nothing("an end");
            heal(&mut world, way);
        }
        world.finish();
    }
}
