//! A region with a host and guests, and the clock they live by.

use ivring_proto::layout::{Geometry, Superblock};
use ivring_proto::link::{
    FrontDesk, GuestEnd, GuestEvent, GuestOptions, HostEnd, HostEvent, Kind, Refused, Topic, format_region,
};
use ivring_proto::memory::{HeapMemory, Memory as _};
use ivring_proto::session::{Binding, HostPulse, Identity, Port, Rival, Text, Uuid};
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

pub struct Host {
    pub ends: Vec<HostEnd<HeapMemory>>,
    pub desk: FrontDesk,
    pub pulse: HostPulse,
    pub events: Vec<(usize, HostEvent)>,
    pub refused: Vec<Refused>,
    pub received: Vec<(usize, String, bool)>,
}

pub struct World {
    pub memory: HeapMemory,
    pub superblock: Superblock,
    pub now: Duration,
    dice: Dice,
    pub buffer: Vec<u8>,
    pub host: Option<Host>,
    /// What every channel's host remembers at its next start.
    pub remembered: Option<Binding>,
    /// The host's program is busy: it takes nothing out of its rings.
    pub busy: bool,
}

impl World {
    pub fn new(channels: u64) -> Self {
        let geometry = Geometry::new(1 << 20, channels).unwrap();
        let memory = HeapMemory::new(1 << 20);
        let superblock = Superblock::new(geometry, [0; 16], "test");
        format_region(&memory, &superblock);
        World {
            memory,
            superblock,
            now: Duration::from_secs(100),
            dice: Dice(1),
            buffer: vec![0; 1 << 20],
            host: None,
            remembered: None,
            busy: false,
        }
    }

    pub fn start_host(&mut self) {
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

    pub fn guest(&mut self, uuid: u128, boot: u128) -> Guest {
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
    pub fn run(&mut self, span: Duration, guests: &mut [&mut Guest]) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.step_host();
            for guest in guests.iter_mut() {
                self.step_guest(guest);
            }
        }
    }

    pub fn settle(&mut self, guests: &mut [&mut Guest]) {
        self.run(Duration::from_millis(1500), guests);
    }

    pub fn step_host(&mut self) {
        let Some(host) = &mut self.host else { return };
        let geometry = self.superblock.geometry;
        match host.pulse.beat(&self.memory, self.now, &mut || self.dice.word()) {
            Some(Rival::Found(_)) => host.ends.iter_mut().for_each(HostEnd::abandon),
            Some(Rival::Gone) => {
                host.ends.iter().for_each(HostEnd::rewrite);
                host.desk = FrontDesk::open(&self.memory, &geometry, None);
                host.pulse.renew(&self.memory, &geometry, self.now, &mut || self.dice.word());
            }
            None => {}
        }
        if host.pulse.stands_by() {
            for (index, end) in host.ends.iter_mut().enumerate() {
                host.events.extend(end.poll(self.now, &mut || self.dice.word()).map(|event| (index, event)));
            }
            return;
        }
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
            while !self.busy
                && let Ok(Some(received)) = end.receive(&mut self.buffer)
            {
                if received.kind == Kind::Message {
                    let text = String::from_utf8(received.payload.to_vec()).unwrap();
                    host.received.push((index, text, received.redelivered));
                }
            }
        }
    }

    pub fn step_guest(&mut self, guest: &mut Guest) {
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

    pub fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    /// Garbage for a header, wherever the host looks next in the ring of this guest.
    pub fn break_ring_of(&self, guest: &mut Guest) {
        let place = self.superblock.geometry.channel(guest.channel() as u64).unwrap();
        let position = guest.end.link().unwrap().tx().position();
        self.memory.store(place.to_host.data + position % place.to_host.capacity, u64::MAX);
    }

    pub fn send_to(&mut self, channel: usize, text: &str) {
        let end = &mut self.host().ends[channel];
        end.send_with(|link| {
            let id = link.send(Topic::new("t").unwrap(), text.as_bytes());
            link.flush();
            id
        })
        .unwrap();
    }
}

pub struct Guest {
    pub end: GuestEnd<HeapMemory>,
    pub events: Vec<GuestEvent>,
    pub received: Vec<(String, bool)>,
}

impl Guest {
    pub fn send(&mut self, text: &str) {
        self.end.send(Topic::new("t").unwrap(), text.as_bytes()).unwrap();
    }

    pub fn channel(&self) -> usize {
        self.end.offer().expect("attached").channel.try_into().unwrap()
    }

    pub fn texts(&self) -> Vec<&str> {
        self.received.iter().map(|(text, _)| text.as_str()).collect()
    }
}
