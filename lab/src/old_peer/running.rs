//! A peer on a thread of its own, so that it answers while a test waits for something else.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::record::Record;
use super::region::wrong;
use crate::Error;

/// What a peer saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A session has begun.
    Attached,
    /// The host refuses the guest, with a code and a text.
    Refused(u64, String),
    /// The session is over, for this reason.
    Ended(u64),
    /// A message or an answer.
    Received(Record),
}

/// One side of the protocol.
pub trait Peer: Send + 'static {
    /// Does what is to be done, and says what it saw. Never blocks for long.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when the other side does what is not in 1.0.
    fn step(&mut self) -> Result<Option<Seen>, Error>;
}

type Order<P> = Box<dyn FnOnce(&mut P) + Send>;

/// A peer that is there until it is dropped, as if it were killed then.
#[derive(Debug)]
pub struct Running<P> {
    orders: Option<Sender<Order<P>>>,
    seen: Receiver<Seen>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl<P: Peer> Running<P> {
    /// Starts it.
    #[must_use]
    pub fn start(peer: P) -> Self {
        let (orders, ordered) = channel();
        let (sees, seen) = channel();
        let thread = thread::spawn(move || run(peer, &ordered, &sees));
        Self { orders: Some(orders), seen, thread: Some(thread) }
    }

    /// Has it do something on its thread, and waits for the result.
    ///
    /// # Errors
    ///
    /// What ended it, if it has ended.
    pub fn run<T: Send + 'static>(
        &mut self,
        order: impl FnOnce(&mut P) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = channel();
        let order: Order<P> = Box::new(move |peer| drop(done.send(order(peer))));
        if let Some(orders) = &self.orders {
            // An error: it has ended, which shows below.
            let _ = orders.send(order);
        }
        result.recv().map_err(|_| self.end())
    }

    /// The next thing that it sees.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when there is nothing within `limit`, and what ended it, if it has ended.
    pub fn next(&mut self, limit: Duration) -> Result<Seen, Error> {
        self.seen.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => wrong(format!("nothing was seen within {limit:?}")),
            RecvTimeoutError::Disconnected => self.end(),
        })
    }

    /// Ends the thread; why it had ended before.
    fn end(&mut self) -> Error {
        self.orders = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            Some(Err(_)) => wrong("the old peer panicked"),
            _ => wrong("the old peer has ended"),
        }
    }
}

impl<P> Drop for Running<P> {
    fn drop(&mut self) {
        self.orders = None;
        let ended = self.thread.take().map(JoinHandle::join);
        // What went wrong behind a test's back fails it, unless it has failed already.
        if !thread::panicking() {
            match ended {
                Some(Ok(Err(error))) => panic!("the old peer: {error}"),
                Some(Err(_)) => panic!("the old peer panicked"),
                Some(Ok(Ok(()))) | None => {}
            }
        }
    }
}

fn run<P: Peer>(mut peer: P, orders: &Receiver<Order<P>>, sees: &Sender<Seen>) -> Result<(), Error> {
    loop {
        match orders.try_recv() {
            Ok(order) => order(&mut peer),
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {}
        }
        match peer.step()? {
            // Nobody may wait any more for what it sees.
            Some(seen) => drop(sees.send(seen)),
            None => thread::sleep(Duration::from_micros(500)),
        }
    }
}
