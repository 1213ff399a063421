//! A real host and real guests in one thread: one that lies or is lied to, and neighbours that talk all the while.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ivring_guest::{Event as GuestEvent, Guest, Options as GuestOptions};
use ivring_host::{CloseReason, Event as HostEvent, Host, Identity, Options as HostOptions, Port, Uuid};
use ivring_lab::malicious_peer::{MaliciousPeer, Scribe, Way};
use ivring_proto::layout::control_word;
use ivring_proto::link::LinkError;
use tempfile::TempDir;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest message here, in bytes.
pub const MAX_MESSAGE: usize = 256 << 10;
/// UUID of the guest that is not honest, or whose host is not.
pub const UUID: u128 = 0xbad;
/// Topic of the numbered messages.
const NUMBERS: &str = "numbers";

pub struct World {
    host: Option<Host>,
    guest: Option<Guest>,
    neighbours: Vec<Neighbour>,
    pub peer: MaliciousPeer,
    /// What the host tells of the one guest, and of the region.
    pub at_host: Vec<HostEvent>,
    /// What the one guest is told.
    pub at_guest: Vec<GuestEvent>,
    /// The one guest does not look at its ring.
    pub deaf: bool,
    path: PathBuf,
    _folder: TempDir,
}

/// An honest guest, and its numbered messages: to the host, to the guest.
struct Neighbour {
    guest: Guest,
    identity: Identity,
    sent: [u64; 2],
    received: [u64; 2],
}

fn identity(uuid: u128) -> Identity {
    Identity { uuid: Uuid::from_u128(uuid), port: Port::agent() }
}

/// The payload of a numbered message: of a length that follows from the number.
fn numbered(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 37 % 1000).expect("below 1000");
    [&number.to_le_bytes()[..], &vec![number.to_le_bytes()[0]; length]].concat()
}

impl World {
    /// A region of four channels: two neighbours and the one guest are attached.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A region that belongs to the one guest's VM: there are no neighbours.
    pub fn with_owner() -> Self {
        Self::start(&[], |options| options.owner = Some(Uuid::from_u128(UUID)))
    }

    /// The same with other options for the host.
    pub fn with(change: impl Fn(&mut HostOptions)) -> Self {
        Self::start(&[1, 2], change)
    }

    fn start(neighbours: &[u128], change: impl Fn(&mut HostOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("region");
        let mut options = HostOptions::new(path.to_str().expect("UTF-8"));
        options.size = Some(1 << 20);
        options.channels = Some(4);
        options.max_message = MAX_MESSAGE;
        change(&mut options);
        let host = Host::open(options).expect("a region");
        let peer = MaliciousPeer::attach(&path).expect("a mapping");
        let (at_host, at_guest) = (Vec::new(), Vec::new());
        let (host, guest, deaf) = (Some(host), None, false);
        let mut world = World {
            host,
            guest,
            neighbours: Vec::new(),
            peer,
            at_host,
            at_guest,
            deaf,
            path,
            _folder: folder,
        };
        for uuid in neighbours {
            let neighbour = Neighbour {
                guest: world.open(*uuid),
                identity: identity(*uuid),
                sent: [0; 2],
                received: [0; 2],
            };
            world.neighbours.push(neighbour);
        }
        world.until("neighbours", |world| world.neighbours.iter_mut().all(|one| one.guest.is_attached()));
        world.join();
        world
    }

    fn open(&self, uuid: u128) -> Guest {
        let options = GuestOptions {
            region: Some(self.path.clone()),
            id: Some(Uuid::from_u128(uuid)),
            name: Some(format!("guest{uuid:x}")),
            max_message: MAX_MESSAGE,
            ..GuestOptions::default()
        };
        Guest::open(options).expect("the region can be mapped")
    }

    pub fn host(&mut self) -> &mut Host {
        self.host.as_mut().expect("it runs")
    }

    pub fn guest(&mut self) -> &mut Guest {
        self.guest.as_mut().expect("it runs")
    }

    /// Who the one guest is.
    pub fn who(&self) -> Identity {
        identity(UUID)
    }

    /// Number of the one guest's channel.
    pub fn channel(&mut self) -> u64 {
        self.guest().end().offer().expect("attached").channel
    }

    /// Number of a neighbour's channel.
    pub fn neighbours_channel(&mut self) -> u64 {
        self.neighbours[0].guest.end().offer().expect("attached").channel
    }

    /// Nonce and boot of a neighbour's session.
    pub fn neighbours_session(&mut self) -> (u64, u128) {
        let guest = &mut self.neighbours[0].guest;
        let boot = guest.machine().boot.as_u128();
        (guest.end().offer().expect("attached").nonce, boot)
    }

    /// A writer of the one guest's ring.
    pub fn scribe(&mut self, way: Way) -> Scribe {
        let channel = self.channel();
        self.peer.scribe(channel, way)
    }

    /// The host's process ends as if it were killed.
    pub fn kill_host(&mut self) {
        self.host = None;
    }

    /// Another host goes on with the region.
    pub fn start_host(&mut self, change: impl Fn(&mut HostOptions)) {
        let mut options = HostOptions::new(self.path.to_str().expect("UTF-8"));
        options.max_message = MAX_MESSAGE;
        change(&mut options);
        self.host = Some(Host::open(options).expect("the region"));
    }

    /// The one guest's process ends as if it were killed: no good-bye.
    pub fn kill_guest(&mut self) {
        if let Some(guest) = self.guest.take() {
            // Its mapping stays until the test ends, as its words do.
            std::mem::forget(guest);
        }
    }

    /// The one guest ends as it should.
    pub fn end_guest(&mut self) {
        self.guest = None;
    }

    /// The one guest begins to join, and nobody waits for it.
    pub fn begin_to_join(&mut self) {
        self.guest = Some(self.open(UUID));
    }

    /// The one guest joins anew as another program.
    pub fn join_again(&mut self) {
        self.deaf = false;
        self.guest = None;
        self.at_host.clear();
        self.at_guest.clear();
        self.guest = Some(self.open(UUID));
        self.until("a new join of the same guest", |world| {
            let told = world.at_host.iter().any(|event| matches!(event, HostEvent::Attached { .. }));
            told && world.guest().is_attached()
        });
    }

    /// The same, and both sides forget what they were told before.
    pub fn join(&mut self) {
        self.join_again();
        self.at_host.clear();
        self.at_guest.clear();
    }

    /// Everybody moves once; the neighbours and the host send each other the next number.
    pub fn step(&mut self) {
        for neighbour in &mut self.neighbours {
            neighbour.step();
        }
        for _ in 0..256 {
            let Some(event) = self.host.as_mut().and_then(Host::poll) else { break };
            self.take(event);
        }
        if let Some(host) = &mut self.host {
            for neighbour in &mut self.neighbours {
                let number = neighbour.sent[1];
                let sent = host.send(&neighbour.identity, NUMBERS, &numbered(number));
                neighbour.sent[1] += u64::from(sent.is_ok());
            }
        }
        while !self.deaf
            && let Some(event) = self.guest.as_mut().and_then(Guest::poll)
        {
            self.at_guest.push(event);
        }
        thread::sleep(Duration::from_micros(200));
    }

    fn take(&mut self, event: HostEvent) {
        match &event {
            HostEvent::Message { guest, payload, .. } => {
                if let Some(neighbour) = self.neighbours.iter_mut().find(|one| one.identity == *guest) {
                    return neighbour.heard(0, payload);
                }
            }
            HostEvent::Fault { guest, .. } | HostEvent::Detached { guest, .. } => {
                assert!(self.neighbours.iter().all(|one| one.identity != *guest), "a neighbour: {event:?}");
            }
            HostEvent::Attached { guest, .. } if *guest != identity(UUID) => return,
            _ => {}
        }
        self.at_host.push(event);
    }

    /// Moves everybody until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !done(self) {
            let (at_host, at_guest) = (&self.at_host, &self.at_guest);
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}: {at_host:?} {at_guest:?}");
            self.step();
        }
    }

    /// Everybody moves so often that whoever has something to find has found it.
    pub fn settle(&mut self) {
        let enough = Instant::now() + Duration::from_millis(3);
        while Instant::now() < enough {
            self.step();
        }
        self.step();
    }

    /// Waits until the receiver of that ring has passed what the scribe wrote.
    pub fn until_received(&mut self, way: Way, scribe: &Scribe, what: &str) {
        let channel = self.channel();
        let seen = self.peer.host_control(channel, control_word::CONSUMER, control_word::SEEN);
        let end = scribe.position;
        self.until(what, |world| match way {
            Way::ToHost => seen.get() >= end,
            Way::ToGuest => world.guest().end().link().is_none_or(|link| link.rx().position() >= end),
        });
        // Handed over is not yet told.
        self.step();
    }

    /// Whoever reads that ring says that this is wrong, ends the session with that guest, and takes it back when it joins
    /// anew.
    pub fn finds(&mut self, reader: Way, what: &str, expected: impl Into<LinkError>) {
        let expected = expected.into();
        let found = |world: &Self| match reader {
            Way::ToHost => world.at_host.iter().find_map(|event| match event {
                HostEvent::Fault { guest, error } if *guest == identity(UUID) => Some(*error),
                _ => None,
            }),
            Way::ToGuest => world.at_guest.iter().find_map(|event| match event {
                GuestEvent::Fault(error) => Some(*error),
                _ => None,
            }),
        };
        self.until(&format!("{what}: {expected}"), |world| found(world).is_some());
        assert_eq!(found(self), Some(expected), "{what}");
        let told = self.at_host.iter().filter(|event| matches!(event, HostEvent::Fault { .. })).count()
            + self.at_guest.iter().filter(|event| matches!(event, GuestEvent::Fault(_))).count();
        assert_eq!(told, 1, "{what}: once, and by one side");
        let closed = match reader {
            Way::ToHost => CloseReason::HostFault,
            Way::ToGuest => CloseReason::GuestFault,
        };
        self.until(&format!("{what}: {closed}"), |world| {
            let reason = world.at_host.iter().find_map(|event| match event {
                HostEvent::Detached { reason, .. } => Some(*reason),
                _ => None,
            });
            assert!(reason.is_none_or(|reason| reason == closed), "{what}: {reason:?}");
            reason.is_some()
        });
        let shown = expected.to_string();
        assert!(shown.chars().any(|letter| letter.is_ascii_digit()), "no value is named: {shown}");
        self.heals();
    }

    /// Nobody finds anything wrong, and all goes on.
    pub fn goes_on(&mut self, what: &str) {
        self.settle();
        self.found_nothing(what);
    }

    /// Nothing wrong was found so far.
    pub fn found_nothing(&self, what: &str) {
        let wrong = |event: &&HostEvent| {
            matches!(event, HostEvent::Fault { .. } | HostEvent::Detached { .. } | HostEvent::Lost(_))
        };
        let event = self.at_host.iter().find(wrong);
        assert!(event.is_none(), "{what}: {event:?}");
        let wrong = |event: &&GuestEvent| matches!(event, GuestEvent::Fault(_) | GuestEvent::Detached(_));
        let event = self.at_guest.iter().find(wrong);
        assert!(event.is_none(), "{what}: {event:?}");
    }

    /// The one guest joins anew, and messages flow both ways.
    pub fn heals(&mut self) {
        self.join();
        self.talk();
    }

    /// The one guest and the host send each other a message.
    pub fn talk(&mut self) {
        let who = self.who();
        self.guest().send("talk", b"to the host").expect("room");
        self.host().send(&who, "talk", b"to the guest").expect("room");
        self.until("talk", |world| {
            let to_host = |event: &HostEvent| {
                matches!(event, HostEvent::Message { payload, .. } if payload == b"to the host")
            };
            let to_guest = |event: &GuestEvent| {
                matches!(event, GuestEvent::Message { payload, .. } if payload == b"to the guest")
            };
            world.at_host.iter().any(to_host) && world.at_guest.iter().any(to_guest)
        });
        self.found_nothing("talk");
        self.at_host.clear();
        self.at_guest.clear();
    }

    /// Everything that the neighbours and the host sent each other has come.
    pub fn finish(mut self) {
        let deadline = Instant::now() + LIMIT;
        let host = self.host.as_mut().expect("it runs");
        while self.neighbours.iter().any(|one| one.sent != one.received) {
            assert!(Instant::now() < deadline, "numbered messages are missing");
            for neighbour in &mut self.neighbours {
                neighbour.receive();
            }
            while let Some(event) = host.poll() {
                if let HostEvent::Message { guest, payload, .. } = &event
                    && let Some(neighbour) = self.neighbours.iter_mut().find(|one| one.identity == *guest)
                {
                    neighbour.heard(0, payload);
                }
            }
        }
        assert!(self.neighbours.iter().all(|one| one.sent.iter().all(|sent| *sent > 0)));
    }
}

impl Neighbour {
    fn step(&mut self) {
        let sent = self.guest.is_attached() && self.guest.send(NUMBERS, &numbered(self.sent[0])).is_ok();
        self.sent[0] += u64::from(sent);
        self.receive();
    }

    fn receive(&mut self) {
        while let Some(event) = self.guest.poll() {
            match event {
                GuestEvent::Message { payload, .. } => self.heard(1, &payload),
                GuestEvent::Attached { .. } | GuestEvent::Waiting(_) => {}
                GuestEvent::HostRestarted | GuestEvent::HostBack => {}
                event => panic!("a neighbour: {event:?}"),
            }
        }
    }

    fn heard(&mut self, way: usize, payload: &[u8]) {
        assert_eq!(
            payload,
            numbered(self.received[way]),
            "message {} of {}",
            self.received[way],
            self.identity
        );
        self.received[way] += 1;
    }
}
