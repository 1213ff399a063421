//! What clients ask.

use std::time::{Duration, Instant};

use ivring_proto::control::{Begun, ClientId, Filter, Incoming, Request, Response, Target};
use ivring_proto::link::SendError;
use ivring_proto::session::Phase;

use super::expected::{Asked, Waiter, What};
use super::hosts::{Hosts, RegionId};
use super::names::region_name;
use super::request_error::RequestError;
use super::roster::{Present, Roster, WhoError};
use super::waiting_sends::WaitingSend;
use super::{Desk, PATIENCE};
use crate::{Host, HostSendError, listing};

/// Bytes of messages and requests of all clients that may wait for room, or to be delivered.
pub(super) const MOST_KEPT: usize = 256 << 20;

/// A request without what it asks.
struct Asker {
    client: ClientId,
    id: u64,
    /// It wants to be answered as soon as what it asks is on its way.
    early: bool,
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
        for Incoming { client, id, early, request, body } in incoming {
            match self.serve(hosts, Asker { client, id, early, now }, request, body, &roster) {
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
                let waiting = |guest: &Present| self.waiting_for(guest.region, guest.identity());
                let guests = roster.all().iter().map(|guest| guest.listed(waiting(guest))).collect();
                let refused =
                    |(_, host): (RegionId, &Host)| listing::Refused::new(&region_name(host), host.refused());
                let refused = hosts.all().filter_map(refused).collect();
                let list = listing::Guests { guests, not_served: hosts.not_served(), refused };
                Ok(Some(Response::carrying(asker.id, &list)))
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
                    early: asker.early,
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
            Request::Serve { topic } => {
                self.serve_topic(asker.client, topic)?;
                Ok(Some(Response::done(asker.id)))
            }
            Request::Respond { request, status } => {
                self.respond(hosts, asker.client, request, status, body)?;
                Ok(Some(Response::done(asker.id)))
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
            faults: host.faults(),
            refused: host.refused().count,
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
        self.expect(What::Answer(number), asker, present, Asked::Ping, 0);
        self.begun(asker, number);
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
        let failed = |error: HostSendError| RequestError::of_send(present.shown(), present.info.phase, error);
        let host = hosts.host(present.region).ok_or(failed(SendError::NotAttached.into()))?;
        let is_kept = body.len() > host.max_record(present.identity(), &topic);
        let kept = if is_kept { body.len() } else { 0 };
        if !self.may_keep(kept) {
            return Err(RequestError::TooManyWait);
        }
        let number = host.request(present.identity(), &topic, body, patience).map_err(failed)?;
        self.expect(What::Answer(number), asker, present, Asked::Request { topic }, kept);
        self.begun(asker, number);
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
        let host = hosts.host(present.region);
        if let Some(host) = host.as_ref().filter(|host| host.stands_by()) {
            return Err(RequestError::StandsBy { region: host.name().to_owned() });
        }
        if !host.is_some_and(|host| host.evict(present.identity())) {
            return Ok(Some(Response::done(asker.id)));
        }
        // Answered when the channel is free: after what the guest had published has been received.
        let what = self.expected.eviction();
        self.expect(what, asker, present, Asked::Eviction, 0);
        Ok(None)
    }

    fn expect(&mut self, what: What, asker: &Asker, present: &Present, asked: Asked, kept: usize) {
        let waiter = Waiter {
            client: asker.client,
            id: asker.id,
            early: asker.early,
            shown: present.shown(),
            asked,
            kept,
            since: asker.now,
            patience: PATIENCE,
        };
        self.expected.wait(present.region, *present.identity(), what, waiter);
    }

    /// Gives the early answer to who wants one.
    fn begun(&mut self, asker: &Asker, request: u64) {
        if asker.early {
            self.server.reply_early(asker.client, &Response::carrying(asker.id, &Begun { request }));
        }
    }

    /// Whether so many bytes more may be kept for clients, beside those that wait for room or for delivery.
    pub(super) fn may_keep(&self, bytes: usize) -> bool {
        self.waiting.bytes() + self.expected.kept() + bytes <= MOST_KEPT
    }
}
