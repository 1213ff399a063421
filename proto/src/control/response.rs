//! What a server answers.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Code;

/// The one answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The request's number; 0 when the frame could not be read that far, after which the server closes.
    pub id: u64,
    /// Whether it was done.
    pub ok: bool,
    /// How it ended; left out when it is [`Code::Done`].
    #[serde(default, skip_serializing_if = "Code::is_done")]
    pub code: Code,
    /// Why not, in words. May hold text that a guest chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the operation has to say, beside the fields above.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

impl Response {
    /// The request was done.
    pub fn done(id: u64) -> Self {
        Response { id, ok: true, code: Code::Done, error: None, data: Map::new() }
    }

    /// The request was done, and `payload` says what came of it.
    ///
    /// # Panics
    /// When `payload` isn't written as a JSON object, or has a field `id`, `ok`, `code` or `error`: a bug of the caller.
    pub fn carrying(id: u64, payload: &impl Serialize) -> Self {
        let Ok(Value::Object(data)) = serde_json::to_value(payload) else {
            panic!("the payload of a response is a JSON object");
        };
        for taken in ["id", "ok", "code", "error"] {
            assert!(!data.contains_key(taken), "`{taken}` belongs to the response itself");
        }
        Response { data, ..Response::done(id) }
    }

    /// The request was not done.
    pub fn failed(id: u64, code: Code, error: impl fmt::Display) -> Self {
        Response { id, ok: false, code, error: Some(error.to_string()), data: Map::new() }
    }

    /// Says the reason as data, too.
    ///
    /// # Panics
    /// When `detail` can't be written as JSON: a bug of the caller.
    #[must_use]
    pub fn with_detail(mut self, detail: &impl Serialize) -> Self {
        let detail = serde_json::to_value(detail).expect("a reason is names and numbers");
        self.data.insert("detail".to_owned(), detail);
        self
    }

    /// The fields that the operation answered with, as their type.
    ///
    /// # Errors
    /// When they aren't there or have another shape.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.data.clone()))
    }
}

/// What a ping is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// From the ping's push to the answer's receipt, on the server's clock, in nanoseconds.
    pub round_trip_ns: u64,
}

/// What a request or a ping that asked for an early answer is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The number that its event will have.
    pub request: u64,
}

/// What a send is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The message's number on its link.
    pub message: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn headers_are_pinned() {
        for (response, header) in [
            (Response::done(3), json!({"id": 3, "ok": true})),
            (
                Response::carrying(3, &Pong { round_trip_ns: 512 }),
                json!({"id": 3, "ok": true, "round_trip_ns": 512}),
            ),
            (
                Response::failed(3, Code::Refused, "evicted"),
                json!({"id": 3, "ok": false, "code": 3, "error": "evicted"}),
            ),
        ] {
            assert_eq!(to_value(&response).unwrap(), header);
            assert_eq!(from_value::<Response>(header).unwrap(), response);
        }
    }

    #[test]
    fn payload_comes_back_as_its_type() {
        let sent = Sent { message: u64::MAX };
        assert_eq!(Response::carrying(1, &sent).payload::<Sent>().unwrap(), sent);
        assert!(Response::done(1).payload::<Sent>().is_err());
    }
}
