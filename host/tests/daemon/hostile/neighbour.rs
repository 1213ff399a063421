//! A guest that does nothing wrong, beside one that does: what it sends arrives, all of it and in order, and it is answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use ivring_proto::control::{Client, Event, Listener, Service, Target};
use ivring_proto::link::{Status, Topic};

use crate::fake_guest::{FakeGuest, Seen};
use crate::place::Place;
use crate::running::{Daemon, LIMIT};

const UUID: &str = "6b7c1f2f-0000-4000-8000-00000000000a";
const TOPIC: &str = "count";
/// Messages between two requests.
const BATCH: u64 = 10;

/// The neighbour, at work until it is asked how it went.
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Neighbour {
    /// In the place's shared region.
    pub fn beside(daemon: &Daemon, place: &Place) -> Self {
        Self::in_region(daemon, &place.region_path(), UUID)
    }

    /// In that region. Returns when it is at work.
    pub fn in_region(daemon: &Daemon, region: &Path, uuid: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, region, uuid) = (Arc::clone(&stop), region.to_owned(), uuid.to_owned());
        let socket: PathBuf = daemon.socket().to_owned();
        let (begun, at_work) = channel();
        let thread = std::thread::spawn(move || {
            let guest = FakeGuest::attached(&region, &uuid, "neighbour");
            let target = Target { guest: Some(uuid), region: None };
            let client = Client::connect(Service::Daemon, &socket).expect("a connection");
            let mut listener = client.listen(target, Some(TOPIC.into())).expect("it listens");
            let mut sent = 0;
            loop {
                for number in sent..sent + BATCH {
                    guest.send(TOPIC, &number.to_le_bytes());
                }
                for number in sent..sent + BATCH {
                    assert_eq!(heard(&mut listener), number, "what the neighbour sent arrives in order");
                }
                sent += BATCH;
                is_answered(&guest, sent);
                // After the first time nobody waits for it.
                let _ = begun.send(());
                if stopping.load(Ordering::Relaxed) {
                    return sent;
                }
            }
        });
        at_work.recv_timeout(LIMIT).expect("the neighbour is at work");
        Neighbour { stop, thread: Some(thread) }
    }

    /// Stops it and returns how many messages it sent, all of which arrived.
    pub fn sent(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.thread.take().expect("taken once").join().expect("the neighbour lost nothing");
        assert!(sent > 0);
        sent
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already.
            let _ = thread.join();
        }
    }
}

/// The number in the next message.
fn heard(listener: &mut Listener) -> u64 {
    match listener.next_event(Some(LIMIT)).expect("a connection") {
        Some((Event::Message { .. }, payload)) => {
            u64::from_le_bytes(payload[..].try_into().expect("a number"))
        }
        other => panic!("instead of a message: {other:?}"),
    }
}

fn is_answered(guest: &FakeGuest, number: u64) {
    guest.run(move |guest| {
        let link = guest.link().expect("attached");
        link.request(number, Topic::new("ivring.echo").expect("a topic"), b"?").expect("room");
        link.flush();
    });
    let answer = Seen::Response { id: number, status: Status::Ok, payload: b"?".to_vec() };
    guest.wait_for(|seen| *seen == answer);
    guest.drain();
}
