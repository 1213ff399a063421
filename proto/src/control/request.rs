//! What a client asks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a ping or a request waits for its answer when the client doesn't say, in milliseconds.
const ANSWER_WITHIN_MS: u32 = 5_000;

/// Which guest a request is about.
///
/// In the agent there is only the host, and both are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Target {
    /// UUID, a unique prefix of it, or the guest's name; `GUEST:PORT` for a port other than `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<String>,
    /// Name of the region, where a guest is in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// An operation; `op` in the header names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// What the server is and how it does.
    Status,
    /// The guests it knows.
    List,
    /// Measures one round trip to the guest, answered with a [`super::Pong`].
    Ping {
        /// The guest.
        #[serde(flatten)]
        target: Target,
        /// Length of the payload that travels both ways, in bytes.
        #[serde(default)]
        bytes: u32,
        /// How long to wait for the answer, in milliseconds.
        #[serde(default = "answer_within_ms")]
        timeout_ms: u32,
    },
    /// Sends the body as one message, answered with a [`super::Sent`].
    Send {
        /// The guest.
        #[serde(flatten)]
        target: Target,
        /// The message's topic.
        topic: String,
        /// How long to wait for room when the ring is full, in milliseconds; 0 is answered `full` at once.
        #[serde(default)]
        wait_ms: u32,
    },
    /// Sends the body as a request; the response's body is the guest's answer.
    Request {
        /// The guest.
        #[serde(flatten)]
        target: Target,
        /// The request's topic.
        topic: String,
        /// How long to wait for the answer, in milliseconds.
        #[serde(default = "answer_within_ms")]
        timeout_ms: u32,
    },
    /// Turns the connection into a stream of events; see [`super::Event`].
    Listen {
        /// Only events of this guest; of all when it is left out.
        #[serde(flatten)]
        target: Target,
        /// Only messages on this topic, and no other events.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
    },
    /// Has guests' requests on a topic told to this connection, as [`super::Happening::Request`].
    Serve {
        /// The topic.
        topic: String,
    },
    /// Answers a guest's request; the body is the answer.
    Respond {
        /// The request, as its event named it.
        request: u64,
        /// How it went.
        status: Answer,
    },
    /// Takes the channel away from a guest.
    Evict {
        /// The guest.
        #[serde(flatten)]
        target: Target,
    },
}

impl Request {
    /// How long the server may take by the request's own words, before it answers at the latest.
    pub fn patience(&self) -> Duration {
        let milliseconds = match self {
            Request::Ping { timeout_ms, .. } | Request::Request { timeout_ms, .. } => *timeout_ms,
            Request::Send { wait_ms, .. } => *wait_ms,
            Request::Status
            | Request::List
            | Request::Listen { .. }
            | Request::Serve { .. }
            | Request::Respond { .. }
            | Request::Evict { .. } => 0,
        };
        Duration::from_millis(milliseconds.into())
    }
}

fn answer_within_ms() -> u32 {
    ANSWER_WITHIN_MS
}

/// How a guest's request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The body is the answer.
    Ok,
    /// Nobody serves that topic after all.
    NoHandler,
    /// It failed; the body says why.
    Failed,
}

/// A request with the number that its response will carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the client; 0 is kept for errors that belong to no request.
    pub id: u64,
    /// A `send`, `request` or `ping` is to be answered as soon as it is on its way; an event tells what became of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    /// The request.
    #[serde(flatten)]
    pub request: Request,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_str, json, to_value};

    fn web1() -> Target {
        Target { guest: Some("web1".into()), region: None }
    }

    #[test]
    fn headers_are_pinned() {
        for (request, header) in [
            (Request::Status, json!({"id": 1, "op": "status"})),
            (Request::List, json!({"id": 1, "op": "list"})),
            (
                Request::Ping { target: web1(), bytes: 56, timeout_ms: 100 },
                json!({"id": 1, "op": "ping", "guest": "web1", "bytes": 56, "timeout_ms": 100}),
            ),
            (
                Request::Send { target: Target::default(), topic: "greeting".into(), wait_ms: 7 },
                json!({"id": 1, "op": "send", "topic": "greeting", "wait_ms": 7}),
            ),
            (
                Request::Request { target: web1(), topic: "ivring.info".into(), timeout_ms: 5000 },
                json!({"id": 1, "op": "request", "guest": "web1", "topic": "ivring.info", "timeout_ms": 5000}),
            ),
            (
                Request::Listen {
                    target: Target { guest: None, region: Some("fg_i3".into()) },
                    topic: Some("log".into()),
                },
                json!({"id": 1, "op": "listen", "region": "fg_i3", "topic": "log"}),
            ),
            (Request::Serve { topic: "time".into() }, json!({"id": 1, "op": "serve", "topic": "time"})),
            (
                Request::Respond { request: 7, status: Answer::Failed },
                json!({"id": 1, "op": "respond", "request": 7, "status": "failed"}),
            ),
            (Request::Evict { target: web1() }, json!({"id": 1, "op": "evict", "guest": "web1"})),
        ] {
            let call = Call { id: 1, early: false, request };
            assert_eq!(to_value(&call).unwrap(), header);
            assert_eq!(from_str::<Call>(&header.to_string()).unwrap(), call);
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let call: Call = from_str(r#"{"id":9,"op":"ping"}"#).unwrap();
        assert_eq!(call.request, Request::Ping { target: Target::default(), bytes: 0, timeout_ms: 5000 });
        assert_eq!(call.request.patience(), Duration::from_secs(5));
        let call: Call = from_str(r#"{"id":9,"op":"send","topic":"t"}"#).unwrap();
        assert_eq!(call.request.patience(), Duration::ZERO);
        assert!(from_str::<Call>(r#"{"id":9,"op":"send"}"#).unwrap_err().to_string().contains("topic"));
        assert!(from_str::<Call>(r#"{"id":9,"op":"dance"}"#).unwrap_err().to_string().contains("dance"));
    }
}
