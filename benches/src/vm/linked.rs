//! A session of ivring as a peer: the host's library on one end, the guest's on the other.

use std::{
    cell::RefCell,
    fmt::Display,
    ops::ControlFlow,
    rc::Rc,
    time::{Duration, Instant},
};

use ivring_guest::{Guest, GuestSendError};
use ivring_host::{Arrival, Host, HostSendError, Identity, Phase, Port, SendError};

use crate::{
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Receiver, Sender},
    vm::streams::LIMIT,
};

/// The topic of all messages here.
const TOPIC: &str = "t";
/// The port of the program in the guest.
const PORT: &str = "compare";
/// The address of the region's device in the guest.
const ADDRESS: &str = "0000:00:1f.0";
/// Records that a receiver takes at once.
const TURN: usize = 64;

/// What a message comes to.
type Taken = Result<(), Failure>;

/// One end of a session.
pub(crate) trait Session {
    /// Pushes a message; says whether there was room.
    fn push(&mut self, payload: &[u8]) -> Result<bool, Failure>;

    /// Publishes what was pushed.
    fn flush(&mut self);

    /// Does what the session needs besides, and takes what has arrived; says how many messages that were.
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Taken) -> Result<usize, Failure>;
}

/// The host's end, once the guest has joined.
pub(crate) struct HostEnd<'a> {
    host: &'a mut Host,
    guest: Identity,
}

impl<'a> HostEnd<'a> {
    /// Waits until the program in the guest has joined.
    pub(crate) fn attached(host: &'a mut Host, gone: impl Fn() -> bool) -> Result<Self, Failure> {
        loop {
            if let Some(guest) = joined(host)? {
                return Ok(Self { host, guest });
            }
            if gone() {
                return Err(Failure::Silent(0));
            }
        }
    }

    /// Waits until the program in the guest, which is about to end, has left.
    pub(crate) fn left(host: &mut Host) -> Result<(), Failure> {
        let since = Instant::now();
        while joined(host)?.is_some() {
            if since.elapsed() > LIMIT {
                return Err(Failure::Silent(LIMIT.as_secs()));
            }
        }
        Ok(())
    }
}

/// The program in the guest, if it is attached. Waits a little for what sessions do.
fn joined(host: &mut Host) -> Result<Option<Identity>, Failure> {
    let port = Port::new(PORT).map_err(|error| refused(&error))?;
    // Events of sessions only: nobody sends anything before both ends are there.
    let _ = host.wait(Duration::from_millis(1));
    let guests = host.guests();
    let attached = guests.iter().find(|guest| guest.identity.port == port && guest.phase == Phase::Attached);
    Ok(attached.map(|guest| guest.identity))
}

impl Session for HostEnd<'_> {
    fn push(&mut self, payload: &[u8]) -> Result<bool, Failure> {
        match self.host.push(&self.guest, TOPIC, payload) {
            Ok(_) => Ok(true),
            Err(HostSendError::Send(SendError::Full { .. })) => {
                let _ = self.host.poll_sessions();
                Ok(false)
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn flush(&mut self) {
        self.host.flush(&self.guest);
    }

    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Taken) -> Result<usize, Failure> {
        let _ = self.host.poll_sessions();
        let mut result = Ok(());
        let count = self.host.receive(TURN, |_, arrival| taken(&arrival, take, &mut result));
        result.map(|()| count)
    }
}

/// The guest's end.
pub(crate) struct GuestEnd(Guest);

impl GuestEnd {
    /// Joins.
    pub(crate) fn join() -> Result<Self, Failure> {
        let options = ivring_guest::Options {
            pci: Some(ADDRESS.parse().map_err(|error| refused(&error))?),
            port: Port::new(PORT).map_err(|error| refused(&error))?,
            ..ivring_guest::Options::default()
        };
        Ok(Self(Guest::join(options).map_err(|error| refused(&error))?))
    }
}

impl Session for GuestEnd {
    fn push(&mut self, payload: &[u8]) -> Result<bool, Failure> {
        match self.0.push(TOPIC, payload) {
            Ok(_) => Ok(true),
            Err(GuestSendError::Send(SendError::Full { .. })) => {
                let _ = self.0.poll_session();
                Ok(false)
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn flush(&mut self) {
        self.0.flush();
    }

    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Taken) -> Result<usize, Failure> {
        let _ = self.0.poll_session();
        let mut result = Ok(());
        let count = self.0.receive(TURN, |arrival| taken(&arrival, take, &mut result));
        result.map(|()| count)
    }
}

/// Hands a message over, and stops at the first that is not right.
fn taken(
    arrival: &Arrival<'_>,
    take: &mut impl FnMut(&[u8]) -> Taken,
    result: &mut Taken,
) -> ControlFlow<()> {
    *result = match arrival {
        Arrival::Message { payload, .. } => take(payload),
        other => Err(refused(&format_args!("{other:?} was not sent"))),
    };
    if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// An end of a session as the two ends of a peer.
pub(crate) fn ends<S: Session>(session: S) -> (impl Sender, impl Receiver) {
    let session = Rc::new(RefCell::new(session));
    (Sending(Rc::clone(&session)), Receiving(session))
}

struct Sending<S>(Rc<RefCell<S>>);

impl<S: Session> Sender for Sending<S> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        let mut session = self.0.borrow_mut();
        for message in batch {
            let mut waiting = Patience::default();
            while !session.push(message)? {
                waiting.pause()?;
            }
        }
        session.flush();
        Ok(())
    }
}

struct Receiving<S>(Rc<RefCell<S>>);

impl<S: Session> Receiver for Receiving<S> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut session = self.0.borrow_mut();
        let mut waiting = Patience::default();
        while session.receive(take)? == 0 {
            waiting.pause()?;
        }
        Ok(())
    }
}

fn refused(what: &dyn Display) -> Failure {
    Failure::Peer { peer: "ivring link", what: what.to_string() }
}
