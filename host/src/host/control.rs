//! The control socket of a host's own, so that `ivring ls` and other clients see its guests.

use std::path::Path;
use std::time::{Duration, Instant};

use ivring_proto::control::{BindError, Server};

use super::Host;
use crate::Event;
use crate::desk::{Desk, Hosts, RegionId, SOCKET_MODE};
use crate::listing::NotServed;

/// The one region that there is.
const OWN: RegionId = RegionId(0);

impl Host {
    /// Serves a control socket at `path`, so that
    /// `ivring --socket PATH ls`, `ping`, `send`, `request`, `listen` and `evict` work with this host as they do with
    /// `ivringd`. It is served within [`poll`](Self::poll) and [`wait`](Self::wait) and by nothing else, and removed when
    /// the host is dropped. Called again, it moves to another path.
    ///
    /// The application's events stay as they are: it hears everything that clients hear, and answers its guests' requests
    /// itself. What comes of a client's own requests, pings and messages is told to that client alone.
    ///
    /// # Errors
    ///
    /// When another server answers there, something else is in the way, or the system refuses.
    pub fn control(&mut self, path: &Path) -> Result<(), BindError> {
        let mut desk = Desk::beside_a_program(Server::bind(path, SOCKET_MODE)?, self.profile);
        desk.meet(self);
        self.clients = Some(Box::new(desk));
        Ok(())
    }

    /// Does what clients ask; nothing where none are served.
    pub(super) fn serve_clients(&mut self) {
        if let Some(mut desk) = self.clients.take() {
            self.moved |= desk.turn(self, Instant::now());
            self.clients = Some(desk);
        }
    }

    /// Shows an event to the clients, and returns it unless it was the answer to what one of them asked.
    pub(super) fn show(&mut self, event: Event) -> Option<Event> {
        match &mut self.clients {
            Some(desk) => desk.take_own(OWN, &event).then_some(event),
            None => Some(event),
        }
    }

    /// Sleeps for so long, or until a client comes.
    pub(super) fn sleep(&mut self, span: Duration) {
        match &mut self.clients {
            None => std::thread::sleep(span),
            Some(desk) => {
                // It fails for want of memory only, and then the next round sees what there is.
                let _ = desk.sleep(span, None);
            }
        }
    }

    /// Answers the clients that still wait.
    pub(super) fn end_clients(&mut self) {
        if let Some(mut desk) = self.clients.take() {
            desk.end_all(self);
            desk.write_out(Instant::now());
        }
    }
}

impl Hosts for Host {
    fn all(&self) -> impl Iterator<Item = (RegionId, &Host)> {
        std::iter::once((OWN, self))
    }

    fn not_served(&self) -> Vec<NotServed> {
        self.lost.iter().map(|why| NotServed::new(self.path(), why.clone())).collect()
    }

    fn host(&mut self, region: RegionId) -> Option<&mut Host> {
        (region == OWN).then_some(self)
    }
}
