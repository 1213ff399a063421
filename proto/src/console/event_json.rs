//! An event as `listen --json` prints it.

use std::path::Path;

use serde::Serialize;

use super::payload_json::PayloadJson;
use crate::control::Event;

/// An event, with the payload of one that has any.
#[derive(Debug, Serialize)]
pub(super) struct EventJson<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    payload: Option<PayloadJson<'a>>,
}

impl<'a> EventJson<'a> {
    /// `payload` is `None` for an event that carries none.
    pub(super) fn new(event: &'a Event, payload: Option<&'a [u8]>, file: Option<&'a Path>) -> Self {
        EventJson { event, payload: payload.map(|payload| PayloadJson::new(payload, file)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn the_payload_stands_beside_the_fields() {
        let event = Event::Message {
            region: "r".into(),
            from: None,
            topic: "t".into(),
            message: 7,
            redelivered: false,
        };
        let fields =
            json!({"event": "message", "region": "r", "topic": "t", "message": 7, "redelivered": false});
        let mut with_text = fields.clone();
        with_text["text"] = "up\n".into();
        assert_eq!(to_value(EventJson::new(&event, Some(b"up\n"), None)).unwrap(), with_text);
        let mut with_file = fields;
        with_file["file"] = "d/000001-t".into();
        let file = Some(Path::new("d/000001-t"));
        assert_eq!(to_value(EventJson::new(&event, Some(b"up\n"), file)).unwrap(), with_file);
    }

    #[test]
    fn what_has_no_payload_has_no_field_for_it() {
        let event = Event::Lost { count: 3 };
        let value = to_value(EventJson::new(&event, None, None)).unwrap();
        assert_eq!(value, json!({"event": "lost", "count": 3}));
    }

    #[test]
    fn an_unknown_event_is_as_it_came() {
        let fields = json!({"event": "comet", "region": "r", "tail": [1, 2]});
        let event = Event::Other(fields.as_object().unwrap().clone());
        assert_eq!(to_value(EventJson::new(&event, None, None)).unwrap(), fields);
    }
}
