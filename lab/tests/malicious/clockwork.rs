//! The ends of the channels alone, with a clock of the test's own, for what takes seconds.

use std::path::Path;
use std::time::Duration;

use ivring_lab::malicious_peer::MaliciousPeer;
use ivring_proto::layout::{Geometry, Superblock, entry_word};
use ivring_proto::link::{
    FrontDesk, GuestEnd, GuestEvent, GuestOptions, HostEnd, HostEvent, Kind, LinkError, Refused, Topic,
    format_region,
};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{CloseReason, HostPulse, Identity, Phase, Port, Rival, SecondWriter, Text, Uuid};
use tempfile::NamedTempFile;

const SIZE: u64 = 1 << 20;
const STALE: Duration = Duration::from_secs(5);
/// Everybody moves this often.
const STEP: Duration = Duration::from_millis(5);
/// Longer than anything takes here, by that clock.
const LIMIT: Duration = Duration::from_secs(20);

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

/// A guest's end, and what it was told.
pub struct Guest {
    pub end: GuestEnd<MappedFile>,
    pub events: Vec<GuestEvent>,
    received: Vec<u64>,
    sent: u64,
    /// It does not move: its program is stopped.
    pub stopped: bool,
}

impl Guest {
    /// Number of its channel.
    pub fn channel(&self) -> u64 {
        self.end.offer().expect("attached").channel
    }
}

pub struct Clockwork {
    file: NamedTempFile,
    map: MappedFile,
    geometry: Geometry,
    dice: Dice,
    now: Duration,
    ends: Vec<HostEnd<MappedFile>>,
    desk: FrontDesk,
    pulse: HostPulse,
    pub peer: MaliciousPeer,
    /// The one that lies or is lied to, and its neighbour.
    pub guest: Guest,
    pub neighbour: Guest,
    /// What the host is told of the one guest.
    pub at_host: Vec<HostEvent>,
    pub refused: Vec<Refused>,
    pub second_writers: Vec<SecondWriter>,
    /// Numbers from the one guest, and those to the neighbour and from it.
    heard: Vec<u64>,
    from_neighbour: Vec<u64>,
    to_neighbour: u64,
    buffer: Vec<u8>,
}

impl Clockwork {
    /// A region with so many channels; the one guest and its neighbour are attached.
    pub fn new(channels: u64) -> Self {
        let mut clockwork = Self::unjoined(channels);
        clockwork.guest.stopped = false;
        clockwork.heals();
        clockwork
    }

    /// The same, where the one guest is stopped and has not asked yet.
    pub fn unjoined(channels: u64) -> Self {
        let mut clockwork = Self::start(channels);
        clockwork.guest.stopped = true;
        clockwork.until("the neighbour", |clockwork| clockwork.is_attached(&clockwork.neighbour));
        clockwork
    }

    fn start(channels: u64) -> Self {
        let file = NamedTempFile::new().expect("a file");
        file.as_file().set_len(SIZE).expect("room");
        let map = MappedFile::map(file.as_file(), SIZE).expect("a mapping");
        let geometry = Geometry::new(SIZE, channels).expect("room");
        format_region(&map, &Superblock::new(geometry, [0; 16], "clockwork"));
        let (mut dice, now) = (Dice(1), Duration::from_secs(100));
        let ends = (0..channels)
            .map(|index| {
                HostEnd::recover(map.clone(), &geometry, index, now, STALE, None).expect("a channel")
            })
            .collect();
        let peer = MaliciousPeer::attach(file.path()).expect("a mapping");
        Self {
            desk: FrontDesk::open(&map, &geometry, None),
            pulse: HostPulse::start(&map, &geometry, now, &mut || dice.word()),
            guest: new_guest(&map, 3, 1),
            neighbour: new_guest(&map, 4, 1),
            file,
            map,
            geometry,
            dice,
            now,
            ends,
            peer,
            at_host: Vec::new(),
            refused: Vec::new(),
            second_writers: Vec::new(),
            heard: Vec::new(),
            from_neighbour: Vec::new(),
            to_neighbour: 0,
            buffer: vec![0; 1 << 16],
        }
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Another program for the one guest's place: the same identity, and another boot.
    pub fn other_boot(&self, boot: u128) -> Guest {
        new_guest(&self.map, 3, boot)
    }

    /// A guest that is neither of the two.
    pub fn third(&self) -> Guest {
        new_guest(&self.map, 5, 1)
    }

    /// The host's view of the one guest's channel.
    pub fn phase(&self, channel: u64) -> Phase {
        self.end(channel).channel().phase()
    }

    /// Both sides say that it is attached.
    pub fn is_attached(&self, guest: &Guest) -> bool {
        guest.end.offer().is_some_and(|offer| self.phase(offer.channel) == Phase::Attached)
    }

    fn end(&self, channel: u64) -> &HostEnd<MappedFile> {
        &self.ends[usize::try_from(channel).expect("small")]
    }

    /// Everybody moves for so long.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    /// Everybody moves until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = self.now + LIMIT;
        while !done(self) {
            let (host, guest) = (&self.at_host, &self.guest.events);
            assert!(self.now < deadline, "not within {LIMIT:?}: {what}: host {host:?}, guest {guest:?}");
            self.step();
        }
    }

    pub fn step(&mut self) {
        self.now += STEP;
        self.step_host();
        for neighbour in [false, true] {
            let guest = if neighbour { &mut self.neighbour } else { &mut self.guest };
            if !guest.stopped {
                step_guest(guest, self.now, &mut self.dice, &mut self.buffer);
            }
        }
        self.step_neighbour();
    }

    /// Moves another guest, too, until the host has asked the incumbent whether it lives, then does `meanwhile`, and goes on
    /// for so long.
    pub fn challenged(&mut self, other: &mut Guest, span: Duration, meanwhile: impl FnOnce(&Self)) {
        let challenge = self.peer.entry(self.guest.channel(), entry_word::CHALLENGE);
        let before = challenge.get();
        while challenge.get() == before {
            self.step_with(other);
        }
        meanwhile(self);
        self.run_with(other, span);
    }

    /// Everybody and another guest move for so long.
    pub fn run_with(&mut self, other: &mut Guest, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step_with(other);
        }
    }

    /// Everybody and another guest move once.
    pub fn step_with(&mut self, other: &mut Guest) {
        self.step();
        step_guest(other, self.now, &mut self.dice, &mut self.buffer);
    }

    fn step_host(&mut self) {
        let (map, geometry, dice) = (&self.map, &self.geometry, &mut self.dice);
        match self.pulse.beat(map, self.now, &mut || dice.word()) {
            Some(Rival::Found(second)) => {
                self.second_writers.push(second);
                self.ends.iter_mut().for_each(HostEnd::abandon);
            }
            Some(Rival::Gone) => {
                self.ends.iter().for_each(HostEnd::rewrite);
                self.pulse.renew(map, geometry, self.now, &mut || dice.word());
            }
            None => {}
        }
        if self.pulse.stands_by() {
            return;
        }
        while let Some(refused) = self.desk.serve(map, geometry, &mut self.ends, self.now) {
            self.refused.push(refused);
        }
        let neighbour = self.neighbour.end.offer().map(|offer| offer.channel);
        for (index, end) in (0..).zip(&mut self.ends) {
            while let Some(event) = end.poll(self.now, &mut || dice.word()) {
                if let HostEvent::Refuse { cell, request, refusal } = event {
                    FrontDesk::refuse(map, geometry, cell, &request, refusal);
                    self.refused.push(Refused { request, refusal });
                }
                if Some(index) == neighbour {
                    let fine = matches!(event, HostEvent::Attached { .. } | HostEvent::Detached { .. });
                    assert!(fine && !is_fault(&event), "a neighbour: {event:?}");
                } else {
                    self.at_host.push(event);
                }
            }
            let who = end.channel().binding().map(|binding| binding.identity);
            loop {
                match end.receive(&mut self.buffer) {
                    Ok(Some(received)) if received.kind == Kind::Message => {
                        let number = number_of(received.payload);
                        let of =
                            if Some(index) == neighbour { &mut self.from_neighbour } else { &mut self.heard };
                        of.push(number);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        let guest = who.expect("it sent something");
                        self.at_host.push(HostEvent::Fault { guest, error });
                        break;
                    }
                }
            }
        }
    }

    /// The neighbour and the host send each other the next number.
    fn step_neighbour(&mut self) {
        let guest = &mut self.neighbour;
        if !guest.end.is_attached() || guest.stopped {
            return;
        }
        let topic = Topic::new("numbers").expect("a topic");
        if guest.end.send(topic, &guest.sent.to_le_bytes()).is_ok() {
            guest.sent += 1;
        }
        let channel = usize::try_from(guest.channel()).expect("small");
        let number = self.to_neighbour.to_le_bytes();
        let sent = self.ends[channel].send_with(|link| {
            let id = link.send(topic, &number)?;
            link.flush();
            Ok(id)
        });
        self.to_neighbour += u64::from(sent.is_ok());
    }

    /// The one guest and the host send each other a message; what was told before is forgotten.
    pub fn talk(&mut self) {
        self.at_host.clear();
        self.guest.events.clear();
        let (to_host, to_guest) = (self.send_to_host(), self.send_to_guest());
        self.until("talk", |clockwork| {
            clockwork.heard.last() == Some(&to_host) && clockwork.guest.received.last() == Some(&to_guest)
        });
        assert!(
            self.guest.events.is_empty() && self.at_host.is_empty(),
            "{:?} {:?}",
            self.guest.events,
            self.at_host
        );
    }

    /// The one guest sends a message; returns what it says.
    pub fn send_to_host(&mut self) -> u64 {
        let topic = Topic::new("numbers").expect("a topic");
        let number = self.dice.word();
        self.guest.end.send(topic, &number.to_le_bytes()).expect("room");
        number
    }

    /// The host sends the one guest a message; returns what it says.
    pub fn send_to_guest(&mut self) -> u64 {
        self.try_to_send_to_guest().expect("room")
    }

    /// The same, where there may be no room.
    pub fn try_to_send_to_guest(&mut self) -> Option<u64> {
        let topic = Topic::new("numbers").expect("a topic");
        let number = self.dice.word();
        let channel = usize::try_from(self.guest.channel()).expect("small");
        let sent = self.ends[channel].send_with(|link| {
            let id = link.send(topic, &number.to_le_bytes())?;
            link.flush();
            Ok(id)
        });
        sent.ok().map(|_| number)
    }

    /// The one guest comes back by itself, and messages flow both ways.
    pub fn heals(&mut self) {
        self.until("the guest comes back", |clockwork| {
            clockwork.is_attached(&clockwork.guest) && clockwork.is_attached(&clockwork.neighbour)
        });
        self.refused.clear();
        self.second_writers.clear();
        // What was told of the new join belongs to it.
        self.step();
        self.talk();
    }

    /// Nothing is told to anybody for so long, and messages flow.
    pub fn nothing_happens(&mut self, span: Duration, what: &str) {
        self.run(span);
        assert!(self.at_host.is_empty(), "{what}: {:?}", self.at_host);
        assert!(self.guest.events.is_empty(), "{what}: {:?}", self.guest.events);
        assert!(self.second_writers.is_empty(), "{what}: {:?}", self.second_writers);
        self.talk();
    }

    /// The host finds this, closes the session, and the guest comes back by itself.
    pub fn host_finds(&mut self, what: &str, expected: impl Into<LinkError>) {
        let expected = expected.into();
        let told = |event: &HostEvent| matches!(event, HostEvent::Fault { error, .. } if *error == expected);
        self.until(&format!("{what}: {expected}"), |clockwork| clockwork.at_host.iter().any(told));
        self.until(what, |clockwork| {
            clockwork.guest.events.contains(&GuestEvent::Detached(CloseReason::HostFault))
        });
        assert!(
            self.at_host
                .iter()
                .any(|event| matches!(event, HostEvent::Detached { reason: CloseReason::HostFault, .. }))
        );
        self.heals();
    }

    /// The guest finds this, leaves the session, and comes back by itself.
    pub fn guest_finds(&mut self, what: &str, expected: impl Into<LinkError>) {
        let expected = GuestEvent::Fault(expected.into());
        let told = |clockwork: &Self| clockwork.guest.events.contains(&expected);
        self.until(&format!("{what}: {expected:?}"), told);
        self.heals();
    }

    /// The guest is told that its session is over, for this reason, and comes back by itself.
    pub fn guest_is_detached(&mut self, what: &str, reason: CloseReason) {
        let told = GuestEvent::Detached(reason);
        self.until(&format!("{what}: {told:?}"), |clockwork| clockwork.guest.events.contains(&told));
        self.heals();
    }

    /// Everything that the neighbour and the host sent each other has come.
    pub fn finish(mut self) {
        self.let_the_neighbour_finish();
        let all = |count: u64| (0..count).collect::<Vec<_>>();
        // Without the numbers, of which there are thousands.
        assert!(self.from_neighbour == all(self.neighbour.sent), "the neighbour's messages did not all come");
        assert!(self.neighbour.received == all(self.to_neighbour), "not all came to the neighbour");
    }

    /// As [`finish`](Self::finish), where every session ended on the way: what was under way then is lost, but what came is in
    /// order, and the last has come.
    pub fn finish_with_losses(mut self) {
        self.let_the_neighbour_finish();
        for (came, sent) in
            [(&self.from_neighbour, self.neighbour.sent), (&self.neighbour.received, self.to_neighbour)]
        {
            assert!(came.is_sorted_by(|one, next| one < next), "out of order, or twice");
            assert_eq!(came.last().copied(), sent.checked_sub(1));
        }
    }

    fn let_the_neighbour_finish(&mut self) {
        self.neighbour.stopped = true;
        self.run(STEP * 2);
        step_guest(&mut self.neighbour, self.now, &mut self.dice, &mut self.buffer);
        assert!(self.neighbour.sent > 0 && self.to_neighbour > 0);
    }
}

fn is_fault(event: &HostEvent) -> bool {
    matches!(event, HostEvent::Detached { reason: CloseReason::HostFault | CloseReason::GuestFault, .. })
}

fn number_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload.try_into().expect("a number"))
}

fn new_guest(map: &MappedFile, uuid: u128, boot: u128) -> Guest {
    let options = GuestOptions {
        identity: Identity { uuid: Uuid::from_u128(uuid), port: Port::agent() },
        boot: Uuid::from_u128(boot),
        name: Text::truncated("guest"),
        stale_after: STALE,
    };
    let (events, received) = (Vec::new(), Vec::new());
    Guest { end: GuestEnd::new(map.clone(), options), events, received, sent: 0, stopped: false }
}

fn step_guest(guest: &mut Guest, now: Duration, dice: &mut Dice, buffer: &mut [u8]) {
    while let Some(event) = guest.end.poll(now, &mut || dice.word()) {
        guest.events.push(event);
    }
    loop {
        match guest.end.receive(now, buffer) {
            Ok(Some(received)) if received.kind == Kind::Message => {
                let number = number_of(received.payload);
                // A new join of the same boot repeats what was in hand, and says so.
                if !(received.redelivered && guest.received.contains(&number)) {
                    guest.received.push(number);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                guest.events.push(GuestEvent::Fault(error));
                break;
            }
        }
    }
}
