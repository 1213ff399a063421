//! Why a client's request is not done.

use std::time::Duration;

use ivring_proto::control::{Code, Response};
use ivring_proto::link::{Declined, InvalidTopic, SendError, Unanswered};
use ivring_proto::ring::Fault;
use ivring_proto::session::Phase;

use super::roster::WhoError;
use crate::HostSendError;

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
    #[error(
        "{length} bytes are too much for {guest}: it takes {max} at most; send it in parts, or raise --max-message"
    )]
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
    #[error("{guest} would not take it: {why}")]
    Declined { guest: String, why: Declined },
    #[error(
        "{guest}'s program or its session ended while it was being sent: it may have been received, or not"
    )]
    Interrupted { guest: String },
    #[error("the topic `{0}` is served by another program already")]
    ServedByAnother(String),
    #[error("the topic `{0}` is answered by this program itself")]
    ServedHere(String),
    #[error("{0} topics are served already; end a program that serves some")]
    TooManyTopics(usize),
    #[error("nobody waits for that answer any more")]
    NobodyWaits,
    #[error("too many answers to {guest} wait already; try again later")]
    TooManyAnswers { guest: String },
    #[error(
        "somebody else writes in the region {region}: nothing can be done there until it has been left alone for 2.5 s"
    )]
    StandsBy { region: String },
    #[error("the server is leaving")]
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
            | RequestError::NobodyWaits
            | RequestError::Detached { .. } => Code::Negative,
            RequestError::Who(WhoError::Ambiguous { .. })
            | RequestError::Full { .. }
            | RequestError::TooManyWait
            | RequestError::Declined { .. }
            | RequestError::ServedByAnother(_)
            | RequestError::ServedHere(_)
            | RequestError::TooManyTopics(_)
            | RequestError::TooManyAnswers { .. }
            | RequestError::NoHandler { .. } => Code::Refused,
            RequestError::Topic(_) | RequestError::TooLarge { .. } => Code::BadInput,
            RequestError::Fault { .. }
            | RequestError::Failed { .. }
            | RequestError::Interrupted { .. }
            | RequestError::StandsBy { .. }
            | RequestError::Leaving => Code::Failure,
        }
    }

    /// The answer to the request `id`.
    pub(super) fn response(&self, id: u64) -> Response {
        let response = Response::failed(id, self.code(), self);
        match self.send_error() {
            Some(error) => response.with_detail(&error),
            None => response,
        }
    }

    /// The same as the host says it, where it does.
    fn send_error(&self) -> Option<SendError> {
        match *self {
            RequestError::NotAttached { .. } | RequestError::Who(WhoError::Nobody(_)) => {
                Some(SendError::NotAttached)
            }
            RequestError::Full { needed, free, .. } => Some(SendError::Full { needed, free }),
            RequestError::TooLarge { length, max, .. } => Some(SendError::TooLarge { length, max }),
            RequestError::Fault { fault, .. } => Some(SendError::Fault(fault)),
            _ => None,
        }
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

impl RequestError {
    /// Why a request or a ping was not answered.
    pub(super) fn unanswered(guest: String, why: Unanswered) -> Self {
        match why {
            Unanswered::TimedOut { waited } => RequestError::NoAnswer { guest, waited },
            Unanswered::Detached => RequestError::Detached { guest },
            Unanswered::Interrupted => RequestError::Interrupted { guest },
            Unanswered::Declined(why) => RequestError::Declined { guest, why },
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
