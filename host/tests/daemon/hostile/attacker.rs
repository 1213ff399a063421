//! A guest that does as the test likes: nothing of it moves but by the test's own calls.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, Instant};

use ivring_proto::layout::{ChannelPlace, Geometry, read_superblock};
use ivring_proto::link::{
    Fragment, GuestEnd, GuestEvent, GuestOptions, Kind, Link, SendError, Status, Topic,
};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{Identity, Port, Text, Uuid};

use crate::running::LIMIT;

/// The guest, and the region as it sees it.
pub struct Attacker {
    pub end: GuestEnd<MappedFile>,
    pub memory: MappedFile,
    pub geometry: Geometry,
    options: GuestOptions,
    started: Instant,
    transfers: u64,
}

pub fn entropy() -> u64 {
    getrandom::u64().expect("the kernel's random numbers")
}

/// The UUID of one guest of many.
pub fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x6b7c_1f2e_0000_4000_9000_0000_0000_0000 | number)
}

impl Attacker {
    /// Maps the region and asks for nothing yet.
    pub fn at(region: &Path, uuid: Uuid, name: &str) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(region).expect("the region is there");
        let memory = MappedFile::map(&file, file.metadata().expect("its size").len()).expect("a mapping");
        let options = GuestOptions {
            identity: Identity { uuid, port: Port::agent() },
            boot: Uuid::from_u128(7),
            name: Text::truncated(name),
            stale_after: Duration::from_secs(5),
        };
        let geometry = read_superblock(&memory).expect("a formatted region").geometry;
        let end = GuestEnd::new(memory.clone(), options);
        Attacker { end, memory, geometry, options, started: Instant::now(), transfers: 0 }
    }

    /// Joins, and waits until the host has read its confirmation.
    pub fn attached(region: &Path, uuid: Uuid, name: &str) -> Self {
        let mut attacker = Self::at(region, uuid, name);
        attacker.attach();
        attacker
    }

    /// Moves on: joins, beats, and sees what the host does. It receives nothing.
    pub fn poll(&mut self) -> Option<GuestEvent> {
        self.end.poll(self.started.elapsed(), &mut entropy)
    }

    /// Polls until that happens.
    pub fn wait_for(&mut self, wanted: impl Fn(&GuestEvent) -> bool) {
        self.until("the event", |attacker| attacker.poll().is_some_and(|event| wanted(&event)));
    }

    /// Tries again and again, and looks at the session meanwhile.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what} does not come");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Attaches, at first or after its session was closed, and has the host answer a ping.
    pub fn attach(&mut self) {
        self.until("the session", |attacker| {
            attacker.poll();
            attacker.end.is_attached()
        });
        self.is_heard();
    }

    /// Begins anew with another program: nothing is said to the host.
    pub fn restart(&mut self) {
        self.end = GuestEnd::new(self.memory.clone(), self.options);
    }

    /// Waits until the host has received everything that it sent, and drops what the host sent.
    pub fn is_heard(&mut self) {
        let number = entropy();
        self.until("room for a ping", |attacker| {
            attacker.receive();
            attacker.link().ping(number, &[]).is_ok()
        });
        self.link().flush();
        self.until("the pong", |attacker| attacker.receive().contains(&(Kind::Pong, number)));
    }

    /// Receives all that there is: kinds and numbers.
    pub fn receive(&mut self) -> Vec<(Kind, u64)> {
        let mut buffer = vec![0; 1 << 20];
        let mut all = Vec::new();
        let now = self.started.elapsed();
        while let Some(received) = self.end.receive(now, &mut buffer).expect("a sound ring") {
            all.push((received.kind, received.id));
        }
        all
    }

    pub fn link(&mut self) -> &mut Link<MappedFile> {
        self.end.link().expect("attached")
    }

    /// Where its channel lies.
    pub fn place(&self) -> ChannelPlace {
        self.end.offer().expect("attached").place
    }

    /// Sends a request of one record as soon as there is room.
    pub fn request(&mut self, id: u64, topic: &str, payload: &[u8]) {
        let topic = Topic::new(topic).expect("a topic");
        self.until("room for a request", |attacker| {
            let sent = attacker.link().request(id, topic, payload);
            attacker.link().flush();
            sent.is_ok()
        });
    }

    /// Begins a transfer of so many bytes, of which it is for [`piece`](Self::piece) to send any.
    pub fn transfer(&mut self, of: Kind, total: u64) -> Fragment {
        self.transfers += 1;
        Fragment { transfer: 1 << 63 | self.transfers, total, offset: 0, of }
    }

    /// Sends the next piece of at most `most` bytes, if there is room; says whether there was.
    pub fn piece(&mut self, fragment: &mut Fragment, topic: &str, most: usize) -> bool {
        let topic = Topic::new(topic).expect("a topic");
        let named = (fragment.offset == 0).then_some(topic);
        let left = usize::try_from(fragment.total - fragment.offset).expect("it fits");
        let link = self.link();
        let piece = vec![7; left.min(most).min(link.max_piece(topic.as_str().len()))];
        match link.send_piece(fragment, fragment.transfer, Status::Ok, named, &piece) {
            Ok(()) => {
                link.flush();
                fragment.offset += piece.len() as u64;
                true
            }
            Err(SendError::Full { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}
