//! A guest: the protocol's guest end on a thread of the test, which maps the region's file.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivring_proto::link::{
    Arrival, Budget, DEFAULT_MAX_MESSAGE, Exchange, GuestEnd, GuestEvent, GuestOptions, Incarnation, Kind,
    Status, Topic, Waiting,
};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{Identity, Port, Text, Uuid};

use crate::running::LIMIT;

/// What the guest's thread is told to do.
pub type Order = Box<dyn FnOnce(&mut GuestEnd<MappedFile>, &mut Exchange) + Send>;

/// What the guest saw.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Event(GuestEvent),
    Message { topic: String, payload: Vec<u8>, redelivered: bool },
    Response { id: u64, status: Status, payload: Vec<u8> },
    Pong(u64),
}

/// A guest that is there until it is dropped; it says no good-bye then, unless told to.
///
/// It answers requests on `ivring.echo`, and no others.
pub struct FakeGuest {
    orders: Option<Sender<Order>>,
    seen: Receiver<Seen>,
    thread: Option<JoinHandle<()>>,
}

fn entropy() -> u64 {
    getrandom::u64().expect("the kernel's random numbers")
}

impl FakeGuest {
    /// Begins to join the region in that file.
    pub fn join(region: &Path, uuid: &str, name: &str) -> Self {
        Self::join_port(region, uuid, "agent", name)
    }

    pub fn join_port(region: &Path, uuid: &str, port: &str, name: &str) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(region).expect("the region is there");
        let memory = MappedFile::map(&file, file.metadata().expect("its size").len()).expect("a mapping");
        let options = GuestOptions {
            identity: Identity {
                uuid: uuid.parse().expect("a UUID"),
                port: Port::new(port).expect("a port"),
            },
            boot: Uuid::from_u128(7),
            name: Text::truncated(name),
            stale_after: Duration::from_secs(5),
        };
        let (orders, ordered) = channel();
        let (sees, seen) = channel();
        let thread = std::thread::spawn(move || run(GuestEnd::new(memory, options), &ordered, &sees));
        FakeGuest { orders: Some(orders), seen, thread: Some(thread) }
    }

    /// Joins and waits until it is attached, and the host knows it.
    pub fn attached(region: &Path, uuid: &str, name: &str) -> Self {
        let guest = Self::join(region, uuid, name);
        guest.wait_for(|seen| matches!(seen, Seen::Event(GuestEvent::Attached { .. })));
        guest.is_heard();
        guest
    }

    /// Waits until the host has received everything it sent.
    pub fn is_heard(&self) {
        self.run(|guest| {
            let link = guest.link().expect("attached");
            link.ping(0, &[]).expect("room");
            link.flush();
        });
        self.wait_for(|seen| *seen == Seen::Pong(0));
    }

    /// Has the guest's thread do something, and waits for the result.
    pub fn run<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut GuestEnd<MappedFile>) -> T + Send + 'static,
    ) -> T {
        self.begin(order).recv_timeout(LIMIT).expect("it runs")
    }

    /// Has the guest's thread do something, which has a result later. Until then it does nothing else.
    pub fn begin<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut GuestEnd<MappedFile>) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (done, result) = channel();
        self.order(Box::new(move |guest, _| drop(done.send(order(guest)))));
        result
    }

    /// Sends a message that may go over in fragments.
    pub fn send_large(&self, topic: &'static str, payload: Vec<u8>) -> u64 {
        let (done, result) = channel();
        self.order(Box::new(move |guest, exchange| {
            let link = guest.link().expect("attached");
            let id = exchange.send(link, Topic::new(topic).expect("a topic"), &payload).expect("room");
            link.flush();
            let _ = done.send(id);
        }));
        result.recv_timeout(LIMIT).expect("it runs")
    }

    /// Asks something that may go over in fragments.
    pub fn request_large(&self, topic: &'static str, payload: Vec<u8>) {
        let (done, result) = channel();
        self.order(Box::new(move |guest, exchange| {
            let (link, topic) = (guest.link().expect("attached"), Topic::new(topic).expect("a topic"));
            exchange.request(link, Duration::ZERO, topic, &payload, LIMIT).expect("room");
            link.flush();
            let _ = done.send(());
        }));
        result.recv_timeout(LIMIT).expect("it runs");
    }

    fn order(&self, order: Order) {
        self.orders.as_ref().expect("it lives").send(order).expect("it runs");
    }

    /// Sends a message, waiting for room.
    pub fn send(&self, topic: &'static str, payload: &[u8]) -> u64 {
        let deadline = Instant::now() + LIMIT;
        loop {
            let payload = payload.to_vec();
            match self.run(move |guest| guest.send(Topic::new(topic).expect("a topic"), &payload)) {
                Ok(id) => return id,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// The next thing it sees that is wanted; what comes before is passed over.
    pub fn wait_for(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = self.seen.recv_timeout(left).expect("the guest sees what is waited for");
            if wanted(&seen) {
                return seen;
            }
        }
    }

    /// Forgets what it has seen so far.
    pub fn drain(&self) {
        while self.seen.try_recv().is_ok() {}
    }

    /// The next message: topic, payload and whether it is a repeat.
    pub fn message(&self) -> (String, Vec<u8>, bool) {
        match self.wait_for(|seen| matches!(seen, Seen::Message { .. })) {
            Seen::Message { topic, payload, redelivered } => (topic, payload, redelivered),
            other => unreachable!("{other:?}"),
        }
    }

    /// Stops the guest's thread, as a paused VM, until the result is dropped.
    pub fn pause(&self) -> Sender<()> {
        let (pause, paused) = channel();
        let _later = self.begin(move |guest| {
            // What it has received so far is done with.
            if let Some(link) = guest.link() {
                link.ack();
                link.rx().release();
            }
            // An error is what is waited for: the sender was dropped.
            paused.recv().unwrap_or(());
        });
        pause
    }

    /// Waits until its session is over, and returns why.
    pub fn detached(&self) -> String {
        match self.wait_for(|seen| matches!(seen, Seen::Event(GuestEvent::Detached(_)))) {
            Seen::Event(GuestEvent::Detached(reason)) => reason.to_string(),
            other => unreachable!("{other:?}"),
        }
    }

    /// Waits until the host refuses it, and returns why.
    pub fn refusal(&self) -> String {
        let refused = |seen: &Seen| matches!(seen, Seen::Event(GuestEvent::Waiting(Waiting::Refused(_))));
        match self.wait_for(refused) {
            Seen::Event(GuestEvent::Waiting(waiting)) => waiting.to_string(),
            other => unreachable!("{other:?}"),
        }
    }
}

impl Drop for FakeGuest {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(ended.is_some_and(|ended| ended.is_ok()), "the guest panicked");
        }
    }
}

fn run(mut guest: GuestEnd<MappedFile>, orders: &Receiver<Order>, sees: &Sender<Seen>) {
    let started = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    let mut exchange = Exchange::new(DEFAULT_MAX_MESSAGE, Budget::new(DEFAULT_MAX_MESSAGE));
    // Nobody may wait any more for what it sees.
    let tell = |seen| drop(sees.send(seen));
    loop {
        match orders.try_recv() {
            Ok(order) => order(&mut guest, &mut exchange),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
        }
        let now = started.elapsed();
        let event = guest.poll(now, &mut entropy);
        let mut idle = event.is_none();
        if let Some(GuestEvent::Attached { .. }) = event {
            let offer = guest.offer().expect("attached");
            exchange.begin(Incarnation::of(offer.nonce), offer.version);
        }
        event.into_iter().for_each(|event| tell(Seen::Event(event)));
        if let Some(link) = guest.link() {
            // What goes wrong ends the session, and that is seen.
            idle &= !exchange.pump(link).unwrap_or(false);
        }
        exchange.ack();
        let received = match guest.receive(now, &mut buffer) {
            Ok(Some(received)) => received,
            Ok(None) => {
                if idle {
                    std::thread::sleep(Duration::from_micros(200));
                }
                continue;
            }
            Err(error) => panic!("the host broke its ring: {error}"),
        };
        match received.kind {
            // The tests number their own.
            Kind::Response => {
                let (id, status, payload) = (received.id, received.status, received.payload.to_vec());
                tell(Seen::Response { id, status, payload });
                continue;
            }
            Kind::Pong => {
                tell(Seen::Pong(received.id));
                continue;
            }
            _ => {}
        }
        match exchange.take(received, guest.piece(), || now).map(Arrival::into_owned) {
            Some(Arrival::Message { topic, payload, redelivered, .. }) => {
                tell(Seen::Message { topic: topic.into_owned(), payload: payload.into_owned(), redelivered });
            }
            Some(Arrival::Request { id, topic, payload, .. }) => {
                let status = if topic == "ivring.echo" { Status::Ok } else { Status::NoHandler };
                if let Some(link) = guest.link() {
                    // A full ring is the test's own doing.
                    let _ = exchange.respond(link, id, status, &payload);
                    link.flush();
                }
            }
            Some(Arrival::Response { id, status, payload, .. }) => {
                tell(Seen::Response { id, status, payload: payload.into_owned() });
            }
            Some(Arrival::Pong { id, .. }) => tell(Seen::Pong(id)),
            None => {}
        }
    }
}
