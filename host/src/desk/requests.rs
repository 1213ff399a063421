//! What clients ask.

use std::time::{Duration, Instant};

use ivring_proto::control::{ClientId, Code, Filter, Incoming, Request, Response, Target};
use ivring_proto::link::{InvalidTopic, SendError};
use ivring_proto::ring::Fault;
use ivring_proto::session::Phase;

use super::Desk;
use super::expected::{Asked, Waiter};
use super::hosts::{Hosts, RegionId};
use super::names::region_name;
use super::roster::{Present, Roster, WhoError};
use super::waiting_sends::WaitingSend;
use crate::{Host, HostSendError, listing};

/// How long a client waits for a channel to be freed.
const EVICTION: Duration = Duration::from_secs(5);

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Who(#[from] WhoError),
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    #[error("{guest} is not attached: {state}")]
    NotAttached { guest: String, state: String },
    #[error("the ring to {guest} is full: {needed} bytes needed, {free} free; try again, or wait for room")]
    Full { guest: String, needed: u64, free: u64 },
    #[error("too many messages wait for room already; try again later")]
    TooManyWait,
    #[error("{length} bytes are too much for {guest}: at most {max} fit; send less, or use a larger region")]
    TooLarge { guest: String, length: usize, max: usize },
    #[error("{guest} broke its ring: {fault}")]
    Fault { guest: String, fault: Fault },
    #[error("{guest} did not answer within {} s", .waited.as_secs_f64())]
    NoAnswer { guest: String, waited: Duration },
    #[error("{guest} detached before it answered")]
    Detached { guest: String },
    #[error("{guest} serves nothing on the topic `{topic}`")]
    NoHandler { guest: String, topic: String },
    #[error("{guest} failed to answer: {text}")]
    Failed { guest: String, text: String },
    #[error("ivringd is leaving")]
    Leaving,
}

impl RequestError {
    /// The code that belongs to it.
    fn code(&self) -> Code {
        match self {
            RequestError::Who(WhoError::NotSaid | WhoError::Name(_)) => Code::Usage,
            RequestError::Who(WhoError::Nobody(_) | WhoError::NoAgent { .. })
            | RequestError::NotAttached { .. }
            | RequestError::NoAnswer { .. }
            | RequestError::Detached { .. } => Code::Negative,
            RequestError::Who(WhoError::Ambiguous { .. })
            | RequestError::Full { .. }
            | RequestError::TooManyWait
            | RequestError::NoHandler { .. } => Code::Refused,
            RequestError::Topic(_) | RequestError::TooLarge { .. } => Code::BadInput,
            RequestError::Fault { .. } | RequestError::Failed { .. } | RequestError::Leaving => Code::Failure,
        }
    }

    /// The answer to the request `id`.
    pub(super) fn response(&self, id: u64) -> Response {
        Response::failed(id, self.code(), self)
    }

    /// Why nothing was sent to a guest in that phase.
    pub(super) fn of_send(guest: String, phase: Phase, error: HostSendError) -> Self {
        match error {
            HostSendError::Topic(error) => error.into(),
            HostSendError::Send(SendError::NotAttached) => {
                RequestError::NotAttached { guest, state: state(phase) }
            }
            HostSendError::Send(SendError::Full { needed, free }) => {
                RequestError::Full { guest, needed, free }
            }
            HostSendError::Send(SendError::TooLarge { length, max }) => {
                RequestError::TooLarge { guest, length, max }
            }
            HostSendError::Send(SendError::Fault(fault)) => RequestError::Fault { guest, fault },
        }
    }
}

fn state(phase: Phase) -> String {
    match phase {
        Phase::Offered => "it is just joining".to_owned(),
        Phase::Closed(reason) => reason.to_string(),
        Phase::Free | Phase::Attached => "it has just left".to_owned(),
    }
}

/// A request without what it asks.
struct Asker {
    client: ClientId,
    id: u64,
    now: Instant,
}

impl Desk {
    /// Takes what clients ask, and says whether they asked anything.
    pub(super) fn serve_clients(&mut self, hosts: &mut impl Hosts, now: Instant) -> bool {
        let incoming = self.server.poll();
        if incoming.is_empty() {
            return false;
        }
        let roster = Roster::of(hosts);
        for Incoming { client, id, request, body } in incoming {
            match self.serve(hosts, Asker { client, id, now }, request, body, &roster) {
                Ok(Some(response)) => self.server.reply(client, &response, &[]),
                Ok(None) => {}
                Err(error) => self.server.reply(client, &error.response(id), &[]),
            }
        }
        true
    }

    /// The answer, or nothing when it comes later or has been given.
    fn serve(
        &mut self,
        hosts: &mut impl Hosts,
        asker: Asker,
        request: Request,
        body: Vec<u8>,
        roster: &Roster,
    ) -> Result<Option<Response>, RequestError> {
        let patience = request.patience();
        match request {
            Request::Status => Ok(Some(Response::carrying(asker.id, &self.status(hosts, roster)))),
            Request::List => {
                let guests = roster.all().iter().map(Present::listed).collect();
                Ok(Some(Response::carrying(asker.id, &listing::Guests { guests })))
            }
            Request::Ping { target, bytes, .. } => {
                let present = roster.find(&target)?;
                self.ping(hosts, &asker, present, bytes, patience).map(|()| None)
            }
            Request::Send { target, topic, .. } => {
                let present = roster.find(&target)?;
                let send = WaitingSend {
                    client: asker.client,
                    id: asker.id,
                    topic,
                    body,
                    since: asker.now,
                    patience,
                };
                self.send(hosts, present, send)
            }
            Request::Request { target, topic, .. } => {
                let present = roster.find(&target)?;
                self.request(hosts, &asker, present, topic, &body, patience).map(|()| None)
            }
            Request::Listen { target, topic } => {
                let filter = Filter::new(target, topic).map_err(WhoError::from)?;
                self.server.listen(asker.client, asker.id, filter);
                Ok(None)
            }
            Request::Evict { target } => self.evict(hosts, &asker, roster, &target),
        }
    }

    fn status(&self, hosts: &impl Hosts, roster: &Roster) -> listing::Status {
        let region = |(id, host): (RegionId, &Host)| listing::Region {
            region: region_name(host),
            path: host.path().display().to_string(),
            size: host.geometry().size(),
            channels: host.geometry().channels(),
            owner: host.owner().map(|owner| owner.to_string()),
            guests: roster.all().iter().filter(|present| present.region == id).count(),
        };
        listing::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            profile: self.profile.name().to_owned(),
            unheard: self.unheard,
            regions: hosts.all().map(region).collect(),
            control: self.server.counts(),
        }
    }

    fn ping(
        &mut self,
        hosts: &mut impl Hosts,
        asker: &Asker,
        present: &Present,
        bytes: u32,
        patience: Duration,
    ) -> Result<(), RequestError> {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let failed =
            |error: SendError| RequestError::of_send(present.shown(), present.info.phase, error.into());
        let attached = present.info.phase == Phase::Attached;
        // Before so many bytes are allocated.
        if attached && length > present.info.max_record {
            return Err(failed(SendError::TooLarge { length, max: present.info.max_record }));
        }
        let payload = if attached { vec![0; length] } else { Vec::new() };
        let host = hosts.host(present.region).ok_or(failed(SendError::NotAttached))?;
        let number = host.ping(present.identity(), &payload, patience).map_err(failed)?;
        self.expect(number, asker, present, Asked::Ping, patience);
        Ok(())
    }

    fn request(
        &mut self,
        hosts: &mut impl Hosts,
        asker: &Asker,
        present: &Present,
        topic: String,
        body: &[u8],
        patience: Duration,
    ) -> Result<(), RequestError> {
        let failed = |error| RequestError::of_send(present.shown(), present.info.phase, error);
        let host = hosts.host(present.region).ok_or(failed(SendError::NotAttached.into()))?;
        let number = host.request(present.identity(), &topic, body, patience).map_err(failed)?;
        self.expect(number, asker, present, Asked::Request { topic }, patience);
        Ok(())
    }

    fn evict(
        &mut self,
        hosts: &mut impl Hosts,
        asker: &Asker,
        roster: &Roster,
        target: &Target,
    ) -> Result<Option<Response>, RequestError> {
        let present = roster.find(target)?;
        if !hosts.host(present.region).is_some_and(|host| host.evict(present.identity())) {
            return Ok(Some(Response::done(asker.id)));
        }
        // Answered when the channel is free: after what the guest had published has been received.
        let number = self.expected.number();
        self.expect(number, asker, present, Asked::Eviction, EVICTION);
        Ok(None)
    }

    fn expect(&mut self, number: u64, asker: &Asker, present: &Present, asked: Asked, patience: Duration) {
        let waiter = Waiter {
            client: asker.client,
            id: asker.id,
            region: present.region,
            guest: *present.identity(),
            shown: present.shown(),
            asked,
            since: asker.now,
            patience,
        };
        self.expected.wait(number, waiter);
    }
}
