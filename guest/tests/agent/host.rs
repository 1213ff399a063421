//! A small host on a thread: formats a region in a file, admits guests and does what the test asks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivring_proto::layout::{Geometry, RegionState, Superblock, read_superblock, write_state};
use ivring_proto::link::{
    Arrival, Budget, DEFAULT_MAX_MESSAGE, Exchange, FrontDesk, HostEnd, HostEvent, Incarnation, Kind, Status,
    Topic, format_region,
};
use ivring_proto::memory::{MappedFile, Memory};
use ivring_proto::session::{HostPulse, Phase};

const STALE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);
pub const MIB: u64 = 1 << 20;

/// What the host heard from guests, or saw of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Attached { channel: u64, name: String, resumed: bool },
    Detached { reason: String },
    Refused { why: String },
    Message { topic: String, payload: Vec<u8>, redelivered: bool },
    Response { id: u64, status: Status, payload: Vec<u8> },
    Pong { id: u64 },
}

/// Something to do with the ends of the host, on its thread.
type Job = Box<dyn FnOnce(&mut Vec<HostEnd<MappedFile>>) + Send>;

/// A host that runs until it is dropped, which is as if it were killed.
pub struct Host {
    jobs: Option<Sender<Job>>,
    heard: Receiver<Heard>,
    thread: Option<JoinHandle<()>>,
}

/// Makes an empty region's file.
pub fn make_file(path: &Path, size: u64) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    file.set_len(size).unwrap();
    file
}

/// The region in the file at `path`.
pub fn map(path: &Path) -> MappedFile {
    let file = File::options().read(true).write(true).open(path).unwrap();
    MappedFile::map(&file, file.metadata().unwrap().len()).unwrap()
}

/// Formats the region in the file at `path`.
pub fn format(path: &Path, channels: u64) {
    let memory = map(path);
    let size = memory.size();
    let geometry = Geometry::new(size, channels).unwrap();
    let generation = read_superblock(&memory).map_or(1, |before| before.generation + 1);
    let superblock = Superblock { generation, ..Superblock::new(geometry, [0; 16], "test") };
    format_region(&memory, &superblock);
}

/// Shows the guests that the region is about to be formatted anew.
pub fn close_region(path: &Path) {
    write_state(&map(path), RegionState::Closing, "test");
}

impl Host {
    /// Takes over the region in the file at `path`, which was formatted.
    pub fn start(path: &Path) -> Host {
        let (jobs, take_jobs) = channel();
        let (tell, heard) = channel();
        let path = PathBuf::from(path);
        let thread = std::thread::spawn(move || serve(&path, &take_jobs, &tell));
        Host { jobs: Some(jobs), heard, thread: Some(thread) }
    }

    /// Does something with the channels, on the host's thread, and waits for the result.
    pub fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Vec<HostEnd<MappedFile>>) -> T + Send + 'static,
    ) -> T {
        let (tell, result) = channel();
        let job = Box::new(move |ends: &mut Vec<_>| tell.send(job(ends)).unwrap());
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv_timeout(PATIENCE).unwrap()
    }

    /// Does nothing more, until what is returned is dropped.
    pub fn pause(&self) -> Sender<()> {
        let (going_on, wait) = channel::<()>();
        let (begin, begun) = channel();
        let job = move |_: &mut Vec<_>| {
            begin.send(()).unwrap();
            // An error: the other end was dropped.
            let _ = wait.recv();
        };
        self.jobs.as_ref().unwrap().send(Box::new(job)).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        going_on
    }

    /// Sends a message on a channel.
    pub fn send(&self, channel: usize, topic: &'static str, payload: &[u8]) {
        let payload = payload.to_vec();
        self.with(move |ends| {
            let send = |link: &mut ivring_proto::link::Link<MappedFile>| {
                link.send(Topic::new(topic).unwrap(), &payload)?;
                link.flush();
                Ok(())
            };
            ends[channel].send_with(send).unwrap();
        });
    }

    /// Sends a request on a channel.
    pub fn request(&self, channel: usize, id: u64, topic: &'static str, payload: &[u8]) {
        let payload = payload.to_vec();
        self.with(move |ends| {
            let link = ends[channel].link().unwrap();
            link.request(id, Topic::new(topic).unwrap(), &payload).unwrap();
            link.flush();
        });
    }

    /// Sends a ping on a channel.
    pub fn ping(&self, channel: usize, id: u64) {
        self.with(move |ends| {
            let link = ends[channel].link().unwrap();
            link.ping(id, b"payload").unwrap();
            link.flush();
        });
    }

    /// Number of channels that belong to somebody.
    pub fn bound(&self) -> usize {
        self.with(|ends| ends.iter().filter(|end| end.channel().phase() != Phase::Free).count())
    }

    /// The next thing heard.
    pub fn next(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("the host hears something")
    }

    /// Waits until `wanted` gives something for what was heard; what came before is dropped.
    pub fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&Heard) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(heard) = self.heard.recv_timeout(left) else { panic!("no {what}, only {before:?}") };
            if let Some(found) = wanted(&heard) {
                return found;
            }
            before.push(heard);
        }
    }

    /// Waits until a guest is attached; its channel.
    pub fn attached(&self) -> u64 {
        self.wait_for("guest", |heard| match heard {
            Heard::Attached { channel, .. } => Some(*channel),
            _ => None,
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the host's thread has not panicked");
            }
        }
    }
}

fn random() -> u64 {
    getrandom::u64().unwrap()
}

fn serve(path: &Path, jobs: &Receiver<Job>, tell: &Sender<Heard>) {
    let memory = map(path);
    let geometry = read_superblock(&memory).unwrap().geometry;
    let started = Instant::now();
    let mut ends: Vec<_> = (0..geometry.channels())
        .map(|index| HostEnd::recover(memory.clone(), &geometry, index, Duration::ZERO, STALE, None).unwrap())
        .collect();
    let mut desk = FrontDesk::open(&memory, &geometry, None);
    let mut pulse = HostPulse::start(&memory, &geometry, Duration::ZERO, &mut random);
    let mut buffer = vec![0; usize::try_from(geometry.to_host()).unwrap()];
    // For what comes in fragments; tests number their requests themselves.
    let budget = Budget::new(DEFAULT_MAX_MESSAGE);
    let mut exchanges: Vec<_> =
        ends.iter().map(|_| Exchange::new(DEFAULT_MAX_MESSAGE, budget.clone())).collect();
    loop {
        let now = started.elapsed();
        // A formatted region has another heartbeat; that is the test's doing.
        let _ = pulse.beat(&memory, now, &mut random);
        while let Some(refused) = desk.serve(&memory, &geometry, &mut ends, now) {
            let _ = tell.send(Heard::Refused { why: refused.refusal.to_string() });
        }
        for (channel, end) in ends.iter_mut().enumerate() {
            while let Some(event) = end.poll(now, &mut random) {
                let name =
                    end.channel().binding().map(|binding| binding.name.to_string()).unwrap_or_default();
                let heard = match event {
                    HostEvent::Attached { resumed } => {
                        let version = end.channel().binding().unwrap().version;
                        exchanges[channel].begin(Incarnation::of(pulse.epoch()), version);
                        Heard::Attached { channel: channel as u64, name, resumed }
                    }
                    HostEvent::Detached { reason, .. } => Heard::Detached { reason: reason.to_string() },
                    HostEvent::Refuse { cell, request, refusal } => {
                        FrontDesk::refuse(&memory, &geometry, cell, &request, refusal);
                        Heard::Refused { why: refusal.to_string() }
                    }
                    HostEvent::Stale
                    | HostEvent::Back
                    | HostEvent::Fault { .. }
                    | HostEvent::Undelivered { .. } => continue,
                };
                let _ = tell.send(heard);
            }
            let exchange = &mut exchanges[channel];
            while let Ok(Some(received)) = end.receive(&mut buffer) {
                exchange.ack();
                let (id, status, payload) = (received.id, received.status, received.payload.to_vec());
                let (topic, redelivered) = (received.topic.to_owned(), received.redelivered);
                let heard = match received.kind {
                    Kind::Message => Heard::Message { topic, payload, redelivered },
                    Kind::Response => Heard::Response { id, status, payload },
                    Kind::Pong | Kind::Ping => Heard::Pong { id },
                    Kind::Fragment | Kind::End => match exchange.take(received, end.piece(), || now) {
                        Some(Arrival::Message { topic, payload, redelivered, .. }) => {
                            let (topic, payload) = (topic.into_owned(), payload.into_owned());
                            Heard::Message { topic, payload, redelivered }
                        }
                        Some(other) => panic!("{other:?}"),
                        None => continue,
                    },
                    Kind::Request => {
                        let status = if topic == "double" { Status::Ok } else { Status::NoHandler };
                        let answer = [&payload[..], &payload[..]].concat();
                        let respond = |link: &mut ivring_proto::link::Link<MappedFile>| {
                            link.respond(id, status, &answer)?;
                            link.flush();
                            Ok(())
                        };
                        end.send_with(respond).unwrap();
                        continue;
                    }
                };
                let _ = tell.send(heard);
            }
            exchange.ack();
            if exchange.is_sending() {
                // Without a session there is nobody to tell.
                let _ = end.send_with(|link| exchange.pump(link));
            }
        }
        match jobs.try_recv() {
            Ok(job) => job(&mut ends),
            Err(std::sync::mpsc::TryRecvError::Empty) => std::thread::sleep(Duration::from_micros(500)),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
        }
    }
}
