//! Hosts and guests on one region, step by step with a clock of the test's own: who gets which channel, and what becomes
//! of messages in flight.
#![cfg(not(loom))]
#![allow(missing_docs, clippy::unwrap_used)]

use ivring_proto::layout::{
    Geometry, RegionState, Superblock, VersionRange, control_word, write_state, write_superblock,
};
use ivring_proto::link::{
    FrontDesk, GuestEnd, GuestEvent, GuestOptions, HostEnd, HostEvent, Kind, Refused, SendError, Topic,
    Waiting,
};
use ivring_proto::memory::{HeapMemory, Memory};
use ivring_proto::session::{Binding, CloseReason, HostPulse, Identity, Phase, Port, Refusal, Text, Uuid};
use std::time::Duration;

const STALE: Duration = Duration::from_secs(5);

/// A random source that tests can repeat.
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}

struct Host {
    ends: Vec<HostEnd<HeapMemory>>,
    desk: FrontDesk,
    pulse: HostPulse,
    events: Vec<(usize, HostEvent)>,
    refused: Vec<Refused>,
    received: Vec<(usize, String, bool)>,
}

struct World {
    memory: HeapMemory,
    superblock: Superblock,
    now: Duration,
    dice: Dice,
    buffer: Vec<u8>,
    host: Option<Host>,
    /// What every channel's host remembers at its next start.
    remembered: Option<Binding>,
}

impl World {
    fn new(channels: u64) -> Self {
        let geometry = Geometry::new(1 << 20, channels).unwrap();
        let memory = HeapMemory::new(1 << 20);
        let superblock = Superblock {
            state: RegionState::Ready,
            versions: VersionRange::SUPPORTED,
            features_required: 0,
            features_optional: 0,
            geometry,
            generation: 1,
            owner: [0; 16],
            name: Text::truncated("test"),
        };
        write_superblock(&memory, &superblock);
        for index in 0..channels {
            HostEnd::format(&memory, &geometry.channel(index).unwrap());
        }
        write_state(&memory, RegionState::Ready, "");
        World {
            memory,
            superblock,
            now: Duration::from_secs(100),
            dice: Dice(1),
            buffer: vec![0; 1 << 20],
            host: None,
            remembered: None,
        }
    }

    fn start_host(&mut self) {
        let geometry = self.superblock.geometry;
        let ends = (0..geometry.channels())
            .map(|index| {
                HostEnd::recover(
                    self.memory.clone(),
                    &geometry,
                    index,
                    self.now,
                    STALE,
                    self.remembered.as_ref(),
                )
                .unwrap()
            })
            .collect();
        self.host = Some(Host {
            ends,
            desk: FrontDesk::open(&self.memory, &geometry, None),
            pulse: HostPulse::start(&self.memory, &geometry, self.now, &mut || self.dice.word()),
            events: Vec::new(),
            refused: Vec::new(),
            received: Vec::new(),
        });
    }

    fn guest(&mut self, uuid: u128, boot: u128) -> Guest {
        Guest {
            end: GuestEnd::new(
                self.memory.clone(),
                GuestOptions {
                    identity: Identity { uuid: Uuid::from_u128(uuid), port: Port::agent() },
                    boot: Uuid::from_u128(boot),
                    name: Text::truncated("guest"),
                    stale_after: STALE,
                },
            ),
            events: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Everybody in `guests` and the host move for `span`, a millisecond a step.
    fn run(&mut self, span: Duration, guests: &mut [&mut Guest]) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.step_host();
            for guest in guests.iter_mut() {
                self.step_guest(guest);
            }
        }
    }

    fn settle(&mut self, guests: &mut [&mut Guest]) {
        self.run(Duration::from_millis(1500), guests);
    }

    fn step_host(&mut self) {
        let Some(host) = &mut self.host else { return };
        let geometry = self.superblock.geometry;
        host.pulse.beat(&self.memory, self.now, &mut || self.dice.word()).unwrap();
        while let Some(refused) = host.desk.serve(&self.memory, &geometry, &mut host.ends, self.now) {
            host.refused.push(refused);
        }
        for (index, end) in host.ends.iter_mut().enumerate() {
            while let Some(event) = end.poll(self.now, &mut || self.dice.word()) {
                if let HostEvent::Refuse { cell, request, refusal } = event {
                    FrontDesk::refuse(&self.memory, &geometry, cell, &request, refusal);
                    host.refused.push(Refused { request, refusal });
                }
                host.events.push((index, event));
            }
            while let Ok(Some(received)) = end.receive(&mut self.buffer) {
                if received.kind == Kind::Message {
                    let text = String::from_utf8(received.payload.to_vec()).unwrap();
                    host.received.push((index, text, received.redelivered));
                }
            }
        }
    }

    fn step_guest(&mut self, guest: &mut Guest) {
        while let Some(event) = guest.end.poll(self.now, &mut || self.dice.word()) {
            guest.events.push(event);
        }
        while let Ok(Some(received)) = guest.end.receive(self.now, &mut self.buffer) {
            if received.kind == Kind::Message {
                let text = String::from_utf8(received.payload.to_vec()).unwrap();
                guest.received.push((text, received.redelivered));
            }
        }
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    fn send_to(&mut self, channel: usize, text: &str) {
        let end = &mut self.host().ends[channel];
        end.send_with(|link| {
            let id = link.send(Topic::new("t").unwrap(), text.as_bytes());
            link.flush();
            id
        })
        .unwrap();
    }
}

struct Guest {
    end: GuestEnd<HeapMemory>,
    events: Vec<GuestEvent>,
    received: Vec<(String, bool)>,
}

impl Guest {
    fn send(&mut self, text: &str) {
        self.end.send(Topic::new("t").unwrap(), text.as_bytes()).unwrap();
    }

    fn channel(&self) -> usize {
        self.end.offer().expect("attached").channel.try_into().unwrap()
    }

    fn texts(&self) -> Vec<&str> {
        self.received.iter().map(|(text, _)| text.as_str()).collect()
    }
}

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
fn two_clones_of_one_snapshot_do_not_both_keep_the_channel() {
    let mut world = World::new(2);
    world.start_host();
    let mut a = world.guest(1, 11);
    world.settle(&mut [&mut a]);
    // The second writer, with the same UUID, boot id and nonce, beats the same heartbeat.
    let place = world.superblock.geometry.channel(a.channel() as u64).unwrap();
    let heartbeat = place.guest_control + control_word::SESSION + control_word::HEARTBEAT;
    world.memory.store(heartbeat, world.memory.load(heartbeat) + 1);
    world.run(Duration::from_secs(4), &mut [&mut a]);
    assert!(a.events.contains(&GuestEvent::Detached(CloseReason::SecondWriter)), "{:?}", a.events);
    assert!(a.end.is_attached(), "joined anew with a fresh nonce");
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
    let host = world.host.take().unwrap();
    host.pulse.leave(&world.memory);
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.events.last(), Some(&GuestEvent::HostAway));
    world.start_host();
    world.settle(&mut [&mut guest]);
    assert_eq!(guest.events.last(), Some(&GuestEvent::HostBack));
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
    let place = world.superblock.geometry.channel(bad.channel() as u64).unwrap();
    // Garbage for a header, wherever the host looks next.
    let position = bad.end.link().unwrap().tx().position();
    world.memory.store(place.to_host.data + position % place.to_host.capacity, u64::MAX);
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
    // And the other way round.
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    assert!(guest.end.is_attached());
    let hint = world.superblock.geometry.channel(0).unwrap().to_guest.producer + control_word::HINT;
    world.memory.store(hint, world.memory.load(hint) + 64);
    world.run(Duration::from_secs(3), &mut [&mut guest]);
    assert!(guest.events.contains(&GuestEvent::Detached(CloseReason::GuestFault)), "{:?}", guest.events);
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
