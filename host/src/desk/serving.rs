//! Topics that clients serve, and guests' requests that they have not answered yet.

use std::collections::HashMap;

use ivring_proto::control::{Answer, ClientId, Happening};
use ivring_proto::link::{Status, Topic};
use ivring_proto::session::Identity;

use super::Desk;
use super::answers::{Question, is_own};
use super::hosts::{Hosts, RegionId};
use super::request_error::RequestError;

/// Requests of one guest that clients may leave open.
const MOST: usize = 1024;
/// Topics that clients may serve, all of them together.
const MOST_TOPICS: usize = 4096;

/// A guest's request in a client's hands.
#[derive(Debug, Clone, Copy)]
struct Open {
    client: ClientId,
    region: RegionId,
    guest: Identity,
    /// The guest's number for it.
    id: u64,
}

/// Who serves what.
#[derive(Debug, Default)]
pub(super) struct Serving {
    topics: HashMap<String, ClientId>,
    /// By the number that the client knows.
    open: HashMap<u64, Open>,
    /// How many of them each guest has.
    of_guests: HashMap<(RegionId, Identity), usize>,
    last: u64,
}

impl Serving {
    /// Whether clients leave as many requests of that guest open as they may.
    fn is_full(&self, region: RegionId, guest: &Identity) -> bool {
        self.of_guests.get(&(region, *guest)).is_some_and(|count| *count >= MOST)
    }

    fn begin(&mut self, number: u64, open: Open) {
        self.last = number;
        *self.of_guests.entry((open.region, open.guest)).or_default() += 1;
        self.open.insert(number, open);
    }

    fn end(&mut self, number: u64) {
        if let Some(open) = self.open.remove(&number) {
            self.count_down(&open);
        }
    }

    fn count_down(&mut self, open: &Open) {
        let of_guest = (open.region, open.guest);
        if let Some(count) = self.of_guests.get_mut(&of_guest) {
            *count -= 1;
            if *count == 0 {
                self.of_guests.remove(&of_guest);
            }
        }
    }

    /// Takes out all that are so.
    fn take(&mut self, are_so: impl Fn(&Open) -> bool) -> Vec<Open> {
        let taken: Vec<_> = self.open.extract_if(|_, open| are_so(open)).map(|(_, open)| open).collect();
        taken.iter().for_each(|open| self.count_down(open));
        taken
    }

    /// Forgets the requests of a guest whose session is over.
    pub(super) fn detached(&mut self, region: RegionId, guest: &Identity) {
        if self.of_guests.contains_key(&(region, *guest)) {
            self.take(|open| open.region == region && open.guest == *guest);
        }
    }

    /// Forgets the requests of a region that is no more.
    pub(super) fn closed(&mut self, region: RegionId) {
        self.take(|open| open.region == region);
    }
}

impl Desk {
    /// Has requests on a topic told to this client.
    pub(super) fn serve_topic(&mut self, client: ClientId, topic: String) -> Result<(), RequestError> {
        Topic::new(&topic)?;
        if !self.answers_guests || is_own(&topic) {
            return Err(RequestError::ServedHere(topic));
        }
        match self.serving.topics.get(&topic) {
            Some(&other) if other != client && self.server.is_connected(other) => {
                Err(RequestError::ServedByAnother(topic))
            }
            Some(_) => {
                self.serving.topics.insert(topic, client);
                Ok(())
            }
            None => {
                if self.serving.topics.len() >= MOST_TOPICS {
                    self.forget_topics();
                }
                if self.serving.topics.len() >= MOST_TOPICS {
                    return Err(RequestError::TooManyTopics(MOST_TOPICS));
                }
                self.serving.topics.insert(topic, client);
                Ok(())
            }
        }
    }

    /// Forgets the topics of clients that have gone.
    fn forget_topics(&mut self) {
        let server = &self.server;
        self.serving.topics.retain(|_, client| server.is_connected(*client));
    }

    /// Tells a guest's request to the client that serves its topic; what to answer at once where there is none.
    pub(super) fn hand_on(
        &mut self,
        question: Question<'_>,
        payload: &[u8],
    ) -> Result<(), (Status, Vec<u8>)> {
        let Question { region, guest, id, topic, redelivered } = question;
        let client =
            self.serving.topics.get(topic).copied().filter(|&client| self.server.is_connected(client));
        let Some(client) = client else { return Err((Status::NoHandler, Vec::new())) };
        let too_slow =
            || (Status::Failed, b"the program that serves this is too slow: try again later".to_vec());
        if self.serving.is_full(region, guest) {
            return Err(too_slow());
        }
        let request = self.serving.last + 1;
        let what = Happening::Request { request, topic: topic.to_owned(), redelivered };
        let event = self.happened(region, Some(guest), what);
        if !self.server.offer(client, &event, payload) {
            return Err(too_slow());
        }
        // Before the ring is told that it is done with, as with messages.
        self.server.flush();
        self.serving.begin(request, Open { client, region, guest: *guest, id });
        Ok(())
    }

    /// Passes a client's answer on to the guest that asked.
    pub(super) fn respond(
        &mut self,
        hosts: &mut impl Hosts,
        client: ClientId,
        request: u64,
        answer: Answer,
        payload: Vec<u8>,
    ) -> Result<(), RequestError> {
        let open = self.serving.open.get(&request).filter(|open| open.client == client).copied();
        let Some(Open { region, guest, id, .. }) = open else { return Err(RequestError::NobodyWaits) };
        let status = match answer {
            Answer::Ok => Status::Ok,
            Answer::NoHandler => Status::NoHandler,
            Answer::Failed => Status::Failed,
        };
        if !self.give(hosts, region, &guest, id, status, payload) {
            return Err(RequestError::TooManyAnswers { guest: guest.to_string() });
        }
        self.serving.end(request);
        Ok(())
    }

    /// Answers what clients that have gone have left open.
    pub(super) fn give_up_serving(&mut self, hosts: &mut impl Hosts) {
        self.forget_topics();
        let server = &self.server;
        let left = self.serving.take(|open| !server.is_connected(open.client));
        self.fail(hosts, left, "the program that serves this has ended");
    }

    /// Answers all that is open: the owner leaves.
    pub(super) fn end_serving(&mut self, hosts: &mut impl Hosts) {
        let left = self.serving.take(|_| true);
        self.fail(hosts, left, "the server is leaving: ask again");
    }

    fn fail(&mut self, hosts: &mut impl Hosts, left: Vec<Open>, why: &str) {
        for Open { region, guest, id, .. } in left {
            self.give(hosts, region, &guest, id, Status::Failed, why.as_bytes().to_vec());
        }
    }
}
