//! Requests on the control socket.

use std::time::{Duration, Instant};

use ivring_proto::control::{ClientId, Code, Filter, Incoming, Pong, Request, Response, Sent, Target};
use ivring_proto::link::{SendError, Status as Outcome, Unanswered, is_transfer};
use ivring_proto::session::printable;

use super::Agent;
use super::calls::{self, Call};
use super::sends::{Ended, Message, SendFailure};
use crate::{Guest, GuestSendError};

impl Agent {
    /// Takes what came on the control socket, up to the server's bound; says whether anything did.
    pub(super) fn serve_clients(&mut self, now: Instant) -> bool {
        self.client_waits = false;
        let Some(server) = &mut self.server else { return false };
        let incoming = server.poll();
        let busy = !incoming.is_empty();
        for request in incoming {
            self.serve(request, now);
        }
        if busy && let Some(guest) = &mut self.guest {
            // All messages of one turn are one batch.
            guest.flush();
        }
        busy
    }

    /// Goes on with what waited; says whether anything moved.
    pub(super) fn retry(&mut self, now: Instant) -> bool {
        let Some(guest) = &mut self.guest else { return false };
        let mut busy = self.answers.retry(guest);
        let ended = self.sends.retry(guest, now);
        if !ended.is_empty() {
            guest.flush();
        }
        busy |= !ended.is_empty();
        for ended in ended {
            self.reply_ended(&ended);
        }
        busy
    }

    fn serve(&mut self, incoming: Incoming, now: Instant) {
        let Incoming { client, id, request, body, .. } = incoming;
        tracing::debug!("{request:?} with {} bytes", body.len());
        if let Some(failure) = unservable(id, &request) {
            return self.reply(client, &failure, &[]);
        }
        match request {
            Request::Status => {
                let status = self.status(now);
                self.reply(client, &Response::carrying(id, &status), &[]);
            }
            Request::Listen { target, topic } => {
                // It has no target, so nothing in it can be wrong.
                let filter = Filter::new(target, topic).unwrap_or_default();
                if let Some(server) = &mut self.server {
                    server.listen(client, id, filter);
                }
            }
            Request::Send { topic, wait_ms, .. } => {
                let deadline = now + Duration::from_millis(wait_ms.into());
                let Some(guest) = &mut self.guest else { return self.reply_no_guest(client, id) };
                let message = Message { client, id, topic, payload: body, deadline };
                if let Some(ended) = self.sends.begin(guest, message, now) {
                    self.reply_ended(&ended);
                }
            }
            Request::Ping { bytes, timeout_ms, .. } => {
                self.call(Call { client, id }, |guest| {
                    // Before that many bytes are made. A ping has no topic.
                    let (length, max) = (usize::try_from(bytes).unwrap_or(usize::MAX), guest.max_record(""));
                    if guest.is_attached() && length > max {
                        return Err(SendError::TooLarge { length, max }.into());
                    }
                    Ok(guest.ping(&vec![0; length.min(max)], milliseconds(timeout_ms))?)
                });
            }
            Request::Request { topic, timeout_ms, .. } => {
                self.call(Call { client, id }, |guest| {
                    guest.request(&topic, &body, milliseconds(timeout_ms))
                });
            }
            Request::List | Request::Evict { .. } | Request::Serve { .. } | Request::Respond { .. } => {}
        }
    }

    fn call(&mut self, call: Call, send: impl FnOnce(&mut Guest) -> Result<u64, GuestSendError>) {
        let Some(guest) = &mut self.guest else { return self.reply_no_guest(call.client, call.id) };
        if self.calls.is_full() {
            let text = format_args!("{} pings and requests wait for the host already", calls::MOST);
            return self.reply_to(&call, &Response::failed(call.id, Code::Refused, text), &[]);
        }
        match send(guest) {
            Ok(number) => self.calls.insert(number, call),
            Err(error) => {
                let response = self.send_failed(call.id, &error.into());
                self.reply_to(&call, &response, &[]);
            }
        }
    }

    /// Says that the host does not answer.
    pub(super) fn reply_unanswered(&mut self, call: &Call, why: Unanswered) {
        let (code, text) = match why {
            Unanswered::TimedOut { waited } => {
                (Code::Negative, format!("no answer from the host within {} ms", waited.as_millis()))
            }
            Unanswered::Declined(_) => (Code::Refused, format!("the host did not take the request: {why}")),
            Unanswered::Detached => (Code::Failure, "detached before the host answered".to_owned()),
            Unanswered::Interrupted => (Code::Failure, why.to_string()),
        };
        self.reply_to(call, &Response::failed(call.id, code, text), &[]);
    }

    pub(super) fn reply_pong(&mut self, call: &Call, round_trip: Duration) {
        let round_trip_ns = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.reply_to(call, &Response::carrying(call.id, &Pong { round_trip_ns }), &[]);
    }

    pub(super) fn reply_response(&mut self, call: &Call, outcome: Outcome, payload: &[u8]) {
        let failed = |code, text: &str| Response::failed(call.id, code, text);
        match outcome {
            Outcome::Ok => self.reply_to(call, &Response::done(call.id), payload),
            Outcome::NoHandler => {
                self.reply_to(call, &failed(Code::Refused, "nobody on the host serves that topic"), &[]);
            }
            Outcome::Failed => {
                let why = String::from_utf8_lossy(payload);
                let text = format!("the host failed to answer: {}", printable(&why));
                self.reply_to(call, &failed(Code::Failure, &text), &[]);
            }
            Outcome::Unknown(status) => {
                let text = format!("the host answered with status {status} of a newer version");
                self.reply_to(call, &failed(Code::Failure, &text), payload);
            }
        }
    }

    fn reply_ended(&mut self, ended: &Ended) {
        let response = match &ended.result {
            // The answer comes with its end.
            Ok(message) if is_transfer(*message) => {
                return self.transfers.begin(ended.client, ended.id, *message);
            }
            Ok(message) => Response::carrying(ended.id, &Sent { message: *message }),
            Err(failure) => self.send_failed(ended.id, failure),
        };
        self.reply(ended.client, &response, &[]);
    }

    fn send_failed(&self, id: u64, failure: &SendFailure) -> Response {
        let code = match failure {
            SendFailure::Link(GuestSendError::Send(SendError::NotAttached)) => {
                let text = format_args!("not connected to the host: {}", self.waits_for());
                return Response::failed(id, Code::Negative, text);
            }
            SendFailure::Link(
                GuestSendError::Topic(_) | GuestSendError::Send(SendError::TooLarge { .. }),
            ) => Code::BadInput,
            SendFailure::Link(GuestSendError::Send(SendError::Full { .. })) | SendFailure::Behind { .. } => {
                Code::Refused
            }
            SendFailure::Link(GuestSendError::Send(SendError::Fault(_))) => Code::Failure,
        };
        Response::failed(id, code, failure)
    }

    fn reply_no_guest(&mut self, client: ClientId, id: u64) {
        let text = format_args!("not connected to the host: {}", self.waits_for());
        let response = Response::failed(id, Code::Negative, text);
        self.reply(client, &response, &[]);
    }

    fn reply_to(&mut self, call: &Call, response: &Response, body: &[u8]) {
        self.reply(call.client, response, body);
    }

    pub(super) fn reply(&mut self, client: ClientId, response: &Response, body: &[u8]) {
        if let Some(server) = &mut self.server {
            server.reply(client, response, body);
        }
    }

    /// What it waits for, when it isn't attached.
    pub(super) fn waits_for(&self) -> String {
        match &self.guest {
            None => self.no_guest.clone(),
            Some(guest) if let Some(lost) = guest.lost() => lost.to_string(),
            Some(guest) => {
                guest.waiting().map_or_else(|| "joining".to_owned(), |waiting| waiting.to_string())
            }
        }
    }
}

/// The answer to what the agent never does, or to a request that names a guest.
fn unservable(id: u64, request: &Request) -> Option<Response> {
    let target = match request {
        Request::Status => return None,
        Request::List | Request::Evict { .. } => {
            let text = "this is the agent of one guest, which knows only its host: ask ivringd for that";
            return Some(Response::failed(id, Code::Refused, text));
        }
        Request::Serve { .. } | Request::Respond { .. } => {
            let text = "the agent answers the host's requests itself: link ivring-guest to serve others";
            return Some(Response::failed(id, Code::Refused, text));
        }
        Request::Ping { target, .. }
        | Request::Send { target, .. }
        | Request::Request { target, .. }
        | Request::Listen { target, .. } => target,
    };
    (*target != Target::default()).then(|| {
        let text =
            "this is the agent of one guest, and there is only its host: leave `guest` and `region` out";
        Response::failed(id, Code::Usage, text)
    })
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}
