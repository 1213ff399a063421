//! A host, its channels and their guests, from join to good-bye, in a region into which somebody writes.
//!
//! The input: who may write where, then what happens: everybody has turns, sends, restarts, leaves, and the clock goes on.
//! Until somebody lies, what arrives was sent, in its order, and comes again only marked. Whoever lies only within one
//! channel harms no other. Host and guests store in their own areas, and no call of theirs takes more accesses than the
//! region's size justifies.

mod hostile;
#[cfg(test)]
mod seeds;

use std::time::Duration;

use ivring_proto::layout::{ChannelPlace, Geometry, Superblock, cell_word};
use ivring_proto::link::{
    FrontDesk, GuestEnd, GuestEvent, GuestOptions, HostEnd, HostEvent, Kind, Topic, format_region,
};
use ivring_proto::session::{Binding, CloseReason, HostPulse, Identity, Port, Rival, Text, Uuid};

use crate::memory::Mapping;
use crate::{Input, territory};

const SIZE: u64 = 1 << 20;
const CHANNELS: u64 = 3;
const CAPACITY: u64 = 4096;
const GUESTS: usize = 3;
const STALE: Duration = Duration::from_secs(5);
/// Calls of one input.
const MOST_CALLS: u32 = 400;
/// Accesses that one call may take: a walk over the rings of a channel, all join cells, an entry a channel.
const A_CALL: u64 = 4 * CAPACITY / 8 + 16 * 64 + 2_000;
/// Events of one end that may follow each other without a turn of somebody else.
const A_TURN: u32 = 16;

/// A host that restarts so forgets nothing and says no good-bye.
const REMEMBERS_NO_FAREWELL: u8 = 2;

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Sessions that guests have seen begin, and the host.
    pub attached: [u32; 2],
    /// Sessions that guests have seen end, and the host.
    pub detached: [u32; 2],
    /// Sessions that the host ended for what the guest wrote.
    pub faults: u32,
    /// Sessions that went on with another program of the same boot.
    pub resumed: u32,
    /// Join requests that were refused.
    pub refused: u32,
    /// Messages that guests have received, and the host.
    pub received: [u32; 2],
    /// Of these marked as such that may have come before.
    pub redelivered: u32,
    /// Times that somebody found another writer in his own words.
    pub second_writers: u32,
    /// Messages given up, by the host's count.
    pub undelivered: u64,
}

/// Who writes what he should not, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liar {
    /// Nobody.
    Nobody,
    /// The guest of the first channel, in its own control block and ring.
    OneGuest,
    /// Anybody anywhere.
    Anybody,
}

struct Host {
    ends: Vec<HostEnd<Mapping>>,
    desk: FrontDesk,
    pulse: HostPulse,
}

struct Guest {
    end: GuestEnd<Mapping>,
    memory: Mapping,
    boot: u128,
    /// Number of the last message sent, by whichever program of this guest.
    sent: u64,
    /// Number of the last one that the host has received of it.
    arrived: u64,
    /// Number of the last one that the host sent to it, and that it received.
    sent_to: u64,
    arrived_here: u64,
}

struct World {
    memory: Mapping,
    host_memory: Mapping,
    superblock: Superblock,
    now: Duration,
    dice: u64,
    host: Option<Host>,
    guests: Vec<Guest>,
    liar: Liar,
    /// Something was written that none of the programs wrote.
    lied: bool,
    /// What the host remembers of each channel over a restart.
    remembered: Vec<Option<Binding>>,
    buffer: Vec<u8>,
    reached: Reached,
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let liar = input.pick(&[Liar::Nobody, Liar::OneGuest, Liar::Anybody, Liar::Anybody]);
    let mut world = World::new(liar);
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        world.call(&mut input);
    }
    world.reached
}

fn identity(guest: usize) -> Identity {
    Identity { uuid: Uuid::from_u128(guest as u128 + 1), port: Port::agent() }
}

fn word(dice: &mut u64) -> u64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*dice ^ *dice >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 31
}

impl World {
    fn new(liar: Liar) -> Self {
        let memory = Mapping::new(SIZE);
        let geometry = Geometry::with_capacities(SIZE, CHANNELS, CAPACITY, CAPACITY).expect("they fit");
        let superblock = Superblock::new(geometry, [0; 16], "fuzz");
        format_region(&memory, &superblock);
        let host_memory = memory.side();
        host_memory.confine(territory::of_host(&geometry));
        let guests = (0..GUESTS)
            .map(|guest| {
                let memory = memory.side();
                memory.confine(territory::of_guests(&geometry));
                Guest::new(memory, guest)
            })
            .collect();
        let mut world = World {
            memory,
            host_memory,
            superblock,
            now: Duration::from_secs(100),
            dice: 1,
            host: None,
            guests,
            liar,
            lied: false,
            remembered: (0..CHANNELS).map(|_| None).collect(),
            buffer: vec![0; 4096],
            reached: Reached::default(),
        };
        world.start_host();
        world
    }

    fn place(&self, channel: u64) -> ChannelPlace {
        self.superblock.geometry.channel(channel % CHANNELS).expect("one of the channels")
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let call = input.byte();
        let guest = usize::from(call / 32) % GUESTS;
        match call % 32 {
            0..=3 => self.run_for(input),
            4..=5 => self.step_host(true),
            6 => self.step_host(false),
            7..=8 => self.step_guest(guest),
            9..=10 => self.send_to_host(guest, input),
            11..=12 => self.send_to_guest(guest, input),
            13 => self.guests[guest].restart(guest),
            14 => {
                self.guests[guest].boot += 1;
                self.guests[guest].restart(guest);
            }
            15 => {
                self.guests[guest].memory.allow(A_CALL);
                self.guests[guest].end.bye();
            }
            16 => self.restart_host(input.byte()),
            17 => self.evict(guest),
            18 => self.now += Duration::from_millis(u64::from(input.short())),
            19 => self.ping(guest),
            20 | 21 => self.forge(guest, input),
            22 | 23 => self.forge_request(input),
            24 | 25 => {
                if let Some((at, value)) = self.lie(input) {
                    let loads = u32::from(input.short() % 512);
                    self.memory.change_after(loads, at, value);
                }
            }
            _ => {
                if let Some((at, value)) = self.lie(input) {
                    self.memory.scribble(at, value);
                }
            }
        }
    }

    fn start_host(&mut self) {
        let geometry = self.superblock.geometry;
        let memory = &self.host_memory;
        let ends = (0..)
            .zip(&self.remembered)
            .map_while(|(index, remembered)| {
                memory.allow(A_CALL);
                HostEnd::recover(memory.clone(), &geometry, index, self.now, STALE, remembered.as_ref())
            })
            .collect();
        memory.allow(A_CALL);
        let dice = &mut self.dice;
        self.host = Some(Host {
            ends,
            desk: FrontDesk::open(memory, &geometry, None),
            pulse: HostPulse::start(memory, &geometry, self.now, &mut || word(dice)),
        });
    }

    /// With what it knows of the sessions from outside the region, or without, or without a good-bye before.
    fn restart_host(&mut self, how: u8) {
        let Some(mut host) = self.host.take() else { return };
        for (remembered, end) in self.remembered.iter_mut().zip(&host.ends) {
            *remembered = end.channel().binding().copied().filter(|_| how.is_multiple_of(2));
        }
        if how % 4 < REMEMBERS_NO_FAREWELL {
            self.host_memory.allow(A_CALL);
            host.pulse.leave(&self.host_memory);
        }
        drop(host);
        self.start_host();
    }

    /// Everybody has turns while the clock goes on.
    fn run_for(&mut self, input: &mut Input<'_>) {
        let steps = input.byte() % 32;
        let step = input.pick(&[1, 5, 20, 250, 1000]);
        for _ in 0..steps {
            self.now += Duration::from_millis(step);
            self.step_host(true);
            (0..GUESTS).for_each(|guest| self.step_guest(guest));
        }
    }

    fn step_host(&mut self, receives: bool) {
        let Some(mut host) = self.host.take() else { return };
        let geometry = self.superblock.geometry;
        let memory = self.host_memory.clone();
        memory.allow(A_CALL);
        let dice = &mut self.dice;
        match host.pulse.beat(&memory, self.now, &mut || word(dice)) {
            Some(Rival::Found(_)) => {
                assert!(self.lied, "another writer, and nobody lied");
                self.reached.second_writers += 1;
                host.ends.iter_mut().for_each(HostEnd::abandon);
            }
            Some(Rival::Gone) => {
                memory.allow(CHANNELS * A_CALL);
                host.ends.iter().for_each(HostEnd::rewrite);
                host.desk = FrontDesk::open(&memory, &geometry, None);
                host.pulse.renew(&memory, &geometry, self.now, &mut || word(dice));
            }
            None => {}
        }
        if host.pulse.stands_by() {
            self.host = Some(host);
            return;
        }
        let mut scans = 0;
        memory.allow(CHANNELS * A_CALL);
        while host.desk.serve(&memory, &geometry, &mut host.ends, self.now).is_some() {
            self.reached.refused += 1;
            scans += 1;
            assert!(scans <= cell_word::COUNT, "more requests than there are cells");
            memory.allow(CHANNELS * A_CALL);
        }
        for channel in 0..host.ends.len() {
            self.step_end(&mut host, channel);
            if receives {
                self.receive_at_host(&mut host, channel);
            }
        }
        self.host = Some(host);
    }

    fn step_end(&mut self, host: &mut Host, channel: usize) {
        let memory = self.host_memory.clone();
        let mut turns = 0;
        loop {
            memory.allow(A_CALL);
            let dice = &mut self.dice;
            let Some(event) = host.ends[channel].poll(self.now, &mut || word(dice)) else { break };
            turns += 1;
            assert!(turns <= A_TURN, "event follows event");
            if let HostEvent::Refuse { cell, request, refusal } = event {
                FrontDesk::refuse(&memory, &self.superblock.geometry, cell, &request, refusal);
            }
            self.host_event(channel, event);
        }
    }

    fn receive_at_host(&mut self, host: &mut Host, channel: usize) {
        let mut records = 0;
        loop {
            self.host_memory.allow(A_CALL);
            match host.ends[channel].receive(&mut self.buffer) {
                Ok(Some(received)) if received.kind == Kind::Message => {
                    let (payload, redelivered) = (received.payload.to_vec(), received.redelivered);
                    let from = host.ends[channel].channel().binding().map(|binding| binding.identity);
                    self.arrived_at_host(channel, from, &payload, redelivered);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert!(self.may_be_broken(channel), "{error}, and nobody lied");
                    break;
                }
            }
            records += 1;
            assert!(records <= CAPACITY / 8, "more records than a ring holds");
        }
    }

    /// Whether somebody may have written into this channel.
    fn may_be_broken(&self, channel: usize) -> bool {
        self.lied && (self.liar == Liar::Anybody || channel == 0)
    }

    fn host_event(&mut self, channel: usize, event: HostEvent) {
        match event {
            HostEvent::Attached { resumed } => {
                self.reached.attached[1] += 1;
                self.reached.resumed += u32::from(resumed);
            }
            HostEvent::Detached { reason, .. } => {
                self.reached.detached[1] += 1;
                if matches!(reason, CloseReason::HostFault | CloseReason::GuestFault) {
                    assert!(
                        self.may_be_broken(channel),
                        "channel {channel} ends by {reason:?}, and nobody lied"
                    );
                    self.reached.faults += 1;
                }
                assert!(self.lied || reason != CloseReason::SecondWriter);
            }
            HostEvent::Fault { error, .. } => {
                assert!(self.may_be_broken(channel), "{error}, and nobody lied");
            }
            HostEvent::Undelivered { what, .. } => {
                assert!(what.count <= CAPACITY / 8, "{} messages in a ring", what.count);
                self.reached.undelivered += what.count;
            }
            HostEvent::Stale | HostEvent::Back | HostEvent::Refuse { .. } => {}
        }
    }

    fn arrived_at_host(&mut self, channel: usize, from: Option<Identity>, payload: &[u8], redelivered: bool) {
        self.reached.received[1] += 1;
        self.reached.redelivered += u32::from(redelivered);
        if self.may_be_broken(channel) {
            return;
        }
        let (guest, number) = numbered(payload);
        let Some(sender) = self.guests.get_mut(guest) else { panic!("of guest {guest}, which there is not") };
        assert_eq!(from, Some(identity(guest)), "it is another's");
        assert!(number <= sender.sent, "{number} arrives and was not sent");
        assert!(number > sender.arrived || redelivered, "{number} arrives after {}", sender.arrived);
        sender.arrived = sender.arrived.max(number);
    }

    fn step_guest(&mut self, guest: usize) {
        let channel = self.guests[guest].end.offer().map(|offer| offer.channel);
        let mut turns = 0;
        loop {
            let one = &mut self.guests[guest];
            one.memory.allow(A_CALL);
            let dice = &mut self.dice;
            let Some(event) = one.end.poll(self.now, &mut || word(dice)) else { break };
            turns += 1;
            assert!(turns <= A_TURN, "event follows event");
            self.guest_event(channel, event);
        }
        let mut records = 0;
        loop {
            let one = &mut self.guests[guest];
            one.memory.allow(A_CALL);
            match one.end.receive(self.now, &mut self.buffer) {
                Ok(Some(received)) if received.kind == Kind::Message => {
                    self.reached.received[0] += 1;
                    self.reached.redelivered += u32::from(received.redelivered);
                    if !self.lied {
                        let (to, number) = numbered(received.payload);
                        assert!(to == guest && number <= one.sent_to, "{number} for {to} was not sent");
                        assert!(number > one.arrived_here || received.redelivered, "{number} comes again");
                        one.arrived_here = one.arrived_here.max(number);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert!(self.lied, "{error}, and nobody lied");
                    break;
                }
            }
            records += 1;
            assert!(records <= CAPACITY / 8, "more records than a ring holds");
        }
    }

    fn guest_event(&mut self, channel: Option<u64>, event: GuestEvent) {
        match event {
            GuestEvent::Attached { channel, .. } => {
                assert!(channel < CHANNELS);
                self.reached.attached[0] += 1;
            }
            GuestEvent::Detached(reason) => {
                self.reached.detached[0] += 1;
                if matches!(reason, CloseReason::HostFault | CloseReason::GuestFault) {
                    let own = channel.is_some_and(|channel| channel == 0);
                    assert!(self.lied && (own || self.liar == Liar::Anybody), "{reason:?}, and nobody lied");
                }
                if reason == CloseReason::SecondWriter {
                    assert!(self.lied, "another writer, and nobody lied");
                    self.reached.second_writers += 1;
                }
            }
            GuestEvent::Fault(error) => assert!(self.lied, "{error}, and nobody lied"),
            GuestEvent::Superseded
            | GuestEvent::Waiting(_)
            | GuestEvent::HostRestarted
            | GuestEvent::HostAway
            | GuestEvent::HostStale
            | GuestEvent::HostBack => {}
        }
    }

    fn send_to_host(&mut self, guest: usize, input: &mut Input<'_>) {
        let length = usize::from(input.byte()) * 4;
        let one = &mut self.guests[guest];
        one.memory.allow(A_CALL);
        let payload = message(guest, one.sent + 1, length);
        match one.end.send(Topic::new("t").expect("a topic"), &payload) {
            Ok(_) => one.sent += 1,
            Err(error) => self.refused(&error),
        }
    }

    fn send_to_guest(&mut self, guest: usize, input: &mut Input<'_>) {
        let length = usize::from(input.byte()) * 4;
        let Some(host) = &mut self.host else { return };
        let owned = |end: &HostEnd<Mapping>| {
            end.channel().binding().is_some_and(|binding| binding.identity == identity(guest))
        };
        let Some(end) = host.ends.iter_mut().find(|end| owned(end)) else { return };
        self.host_memory.allow(A_CALL);
        let payload = message(guest, self.guests[guest].sent_to + 1, length);
        let sent = end.send_with(|link| {
            let id = link.send(Topic::new("t").expect("a topic"), &payload);
            link.flush();
            id
        });
        match sent {
            Ok(_) => self.guests[guest].sent_to += 1,
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&self, error: &ivring_proto::link::SendError) {
        use ivring_proto::link::SendError;
        assert!(self.lied || !matches!(error, SendError::Fault(_)), "{error}, and nobody lied");
    }

    fn ping(&mut self, guest: usize) {
        let one = &mut self.guests[guest];
        one.memory.allow(A_CALL);
        if let Some(link) = one.end.link() {
            // A full ring is no concern here.
            let _ = link.ping(1, b"ping");
            link.flush();
        }
    }

    fn evict(&mut self, channel: usize) {
        self.host_memory.allow(A_CALL);
        if let Some(end) = self.host.as_mut().and_then(|host| host.ends.get_mut(channel)) {
            end.end(CloseReason::Evicted);
        }
        // A guest notices within milliseconds; until then it could write into what is another's already.
        self.now += Duration::from_millis(10);
        (0..GUESTS).for_each(|guest| self.step_guest(guest));
    }
}

impl Guest {
    fn new(memory: Mapping, guest: usize) -> Self {
        let end = Self::end(&memory, guest, 1);
        Guest { end, memory, boot: 1, sent: 0, arrived: 0, sent_to: 0, arrived_here: 0 }
    }

    fn end(memory: &Mapping, guest: usize, boot: u128) -> GuestEnd<Mapping> {
        let boot = Uuid::from_u128(boot << 8 | (guest as u128 + 1));
        let name = Text::truncated("guest");
        let options = GuestOptions { identity: identity(guest), boot, name, stale_after: STALE };
        GuestEnd::new(memory.clone(), options)
    }

    /// The program is killed, and begins anew.
    fn restart(&mut self, guest: usize) {
        self.end = Self::end(&self.memory, guest, self.boot);
    }
}

/// A message that says which one it is.
fn message(guest: usize, number: u64, length: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; length.max(16)];
    payload[..8].copy_from_slice(&(guest as u64).to_le_bytes());
    payload[8..16].copy_from_slice(&number.to_le_bytes());
    payload
}

/// The guest and the number of a message.
fn numbered(payload: &[u8]) -> (usize, u64) {
    let mut input = Input::new(payload);
    (usize::try_from(input.word()).unwrap_or(usize::MAX), input.word())
}
