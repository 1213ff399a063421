//! A host by way of a running `ivringd`: the same calls, over its control socket.

mod error;
mod events;
mod options;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ivring_proto::bytemuck::{self, NoUninit};
use ivring_proto::console::milliseconds;
use ivring_proto::control::{self, Answer, Begun, ClientError, Request, Response, Sent, Service, Target};
use ivring_proto::link::{Status, Topic};
use ivring_proto::session::Identity;
use serde::de::DeserializeOwned;

use crate::listing;
use crate::{Event, GuestInfo};
pub use error::ClientSendError;
pub use options::ClientOptions;

/// The guests of a running `ivringd`, with the calls of [`Host`](crate::Host): a program is changed from one to the other
/// in the line that makes it.
///
/// ```no_run
/// use ivring_host::{Client, ClientOptions, Event, Status};
/// use std::time::Duration;
///
/// let mut client = Client::connect(ClientOptions::default())?;
/// client.serve("time")?;
/// loop {
///     match client.wait(Duration::from_secs(1)) {
///         Some(Event::Message { guest, topic, payload, .. }) => {
///             println!("{guest} {topic}: {}", payload.escape_ascii());
///         }
///         Some(Event::Request { guest, id, .. }) => {
///             client.respond(&guest, id, Status::Ok, b"noon")?;
///         }
///         Some(Event::Disconnected { reason }) => return Err(reason.into()),
///         _ => {}
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What differs:
///
/// - Every call that sends waits for the daemon's answer, some tens of microseconds, and at most 10 s;
///   [`poll`](Self::poll) waits for nothing. Events that come meanwhile are kept, up to 128 MiB.
/// - Any number of clients hear the same messages and events, at most once. One that reads too slowly loses some, and
///   reads [`Event::Missed`] at their place.
/// - Of guests' requests a client hears only those on topics that it [serves](Self::serve).
/// - [`Event::Delivered`], [`Event::Interrupted`] and [`Event::Declined`] are told of every client's messages.
/// - When the daemon ends there is one [`Event::Disconnected`] and nothing after it, however long one waits: connect anew.
#[derive(Debug)]
pub struct Client {
    control: control::Client,
    region: Option<String>,
    queue: VecDeque<Event>,
    ended: bool,
}

impl Client {
    /// Connects to the daemon, and hears what guests do from now on.
    ///
    /// # Errors
    ///
    /// When nobody listens at the socket, or it may not be used.
    pub fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let path = options.socket.unwrap_or_else(|| Service::Daemon.path_to_reach());
        let mut control = control::Client::connect(Service::Daemon, &path)?;
        let target = Target { guest: None, region: options.region.clone() };
        control.call(&Request::Listen { target, topic: None }, &[])?;
        Ok(Client { control, region: options.region, queue: VecDeque::new(), ended: false })
    }

    /// Everybody who owns a channel, by region and channel; nobody when the daemon cannot be asked.
    pub fn guests(&mut self) -> Vec<GuestInfo> {
        let answer = self.control.call(&Request::List, &[]);
        let Ok(guests) = answer.and_then(|(response, _)| payload::<listing::Guests>(&response)) else {
            return Vec::new();
        };
        let is_ours =
            |guest: &listing::Guest| self.region.as_ref().is_none_or(|region| *region == guest.region);
        guests.guests.into_iter().filter(is_ours).filter_map(listing::Guest::into_info).collect()
    }

    /// Sends a message; returns its id. As [`Host::send`](crate::Host::send).
    ///
    /// # Errors
    ///
    /// [`ClientSendError::Host`] as of the daemon's host, and nothing was sent then; the other when that is not known.
    pub fn send(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, ClientSendError> {
        let topic = Topic::new(topic)?.as_str().to_owned();
        let request = Request::Send { target: self.target(guest), topic, wait_ms: 0 };
        let sent: Sent = self.begin(&request, payload)?;
        Ok(sent.message)
    }

    /// Sends a value as its bytes; [`value`](crate::value) reads it on the other side. As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_value<T: NoUninit>(
        &mut self,
        guest: &Identity,
        topic: &str,
        value: &T,
    ) -> Result<u64, ClientSendError> {
        self.send(guest, topic, bytemuck::bytes_of(value))
    }

    /// As [`send`](Self::send): the daemon makes batches of what its clients send.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn push(&mut self, guest: &Identity, topic: &str, payload: &[u8]) -> Result<u64, ClientSendError> {
        self.send(guest, topic, payload)
    }

    /// There is nothing left to do: what was pushed is published by the daemon.
    pub fn flush(&mut self, _guest: &Identity) {}

    /// Sends a request and returns its id. As [`Host::request`](crate::Host::request).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn request(
        &mut self,
        guest: &Identity,
        topic: &str,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<u64, ClientSendError> {
        let topic = Topic::new(topic)?.as_str().to_owned();
        let timeout_ms = milliseconds(timeout);
        let request = Request::Request { target: self.target(guest), topic, timeout_ms };
        let begun: Begun = self.begin(&request, payload)?;
        Ok(begun.request)
    }

    /// Sends a ping with so many bytes as the payload has, and returns its id. As [`Host::ping`](crate::Host::ping).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(
        &mut self,
        guest: &Identity,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<u64, ClientSendError> {
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let target = self.target(guest);
        let begun: Begun =
            self.begin(&Request::Ping { target, bytes, timeout_ms: milliseconds(timeout) }, &[])?;
        Ok(begun.request)
    }

    /// Asks for guests' requests on a topic: they come as [`Event::Request`] from now on.
    ///
    /// # Errors
    ///
    /// When another client serves it, or the daemon does itself.
    pub fn serve(&mut self, topic: &str) -> Result<(), ClientSendError> {
        let topic = Topic::new(topic)?.as_str().to_owned();
        self.control.call(&Request::Serve { topic }, &[])?;
        Ok(())
    }

    /// Answers the request `id` of a guest. The answer waits in the daemon when there is no room for it.
    ///
    /// # Errors
    ///
    /// When nobody waits for it any more, or too many wait already.
    pub fn respond(
        &mut self,
        _guest: &Identity,
        id: u64,
        status: Status,
        payload: &[u8],
    ) -> Result<(), ClientSendError> {
        let status = match status {
            Status::Ok => Answer::Ok,
            Status::NoHandler => Answer::NoHandler,
            Status::Failed | Status::Unknown(_) => Answer::Failed,
        };
        self.control.call(&Request::Respond { request: id, status }, payload)?;
        Ok(())
    }

    /// Takes the channel away from a guest, when it has one, and waits until it is free. As
    /// [`Host::evict`](crate::Host::evict).
    pub fn evict(&mut self, guest: &Identity) -> bool {
        self.control.call(&Request::Evict { target: self.target(guest) }, &[]).is_ok()
    }

    /// Largest payload of a message to this guest, in bytes; 0 when it is not attached.
    pub fn max_payload(&mut self, guest: &Identity, _topic: &str) -> usize {
        self.info(guest).map_or(0, |info| info.max_message)
    }

    /// Largest payload that goes to this guest in one record, in bytes; 0 when it is not attached.
    pub fn max_record(&mut self, guest: &Identity, topic: &str) -> usize {
        self.info(guest).map_or(0, |info| info.max_record.saturating_sub(topic.len()))
    }

    fn info(&mut self, guest: &Identity) -> Option<GuestInfo> {
        self.guests().into_iter().find(|info| info.identity == *guest)
    }

    /// The next event, if there is one now.
    pub fn poll(&mut self) -> Option<Event> {
        self.wait(Duration::ZERO)
    }

    /// Waits for the next event, at most for `timeout`. Sleeps in the kernel, whatever the daemon's profile.
    pub fn wait(&mut self, timeout: Duration) -> Option<Event> {
        if self.ended && self.queue.is_empty() {
            // Nothing comes any more; a loop that has not noticed is not to spin.
            std::thread::sleep(timeout);
            return None;
        }
        let deadline = Instant::now().checked_add(timeout);
        while self.queue.is_empty() && !self.ended {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.control.next_event(left) {
                Ok(Some((event, body))) => self.queue.extend(events::converted(event, body)),
                Ok(None) => return None,
                Err(error) => {
                    self.ended = true;
                    self.queue.push_back(Event::Disconnected { reason: error.to_string() });
                }
            }
        }
        self.queue.pop_front()
    }

    fn begin<T: DeserializeOwned>(&mut self, request: &Request, body: &[u8]) -> Result<T, ClientSendError> {
        let response = self.control.call_early(request, body)?;
        Ok(payload(&response)?)
    }

    fn target(&self, guest: &Identity) -> Target {
        let guest = format!("{}:{}", guest.uuid, guest.port.as_str());
        Target { guest: Some(guest), region: self.region.clone() }
    }
}

impl AsFd for Client {
    /// For a poll loop of one's own. Call [`Client::poll`] until it gives `None` first: events may have been read already.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// What an answer carries; the daemon is of another version where it does not.
fn payload<T: DeserializeOwned>(response: &Response) -> Result<T, ClientError> {
    response.payload().map_err(|error| ClientError::Frame(error.into()))
}
