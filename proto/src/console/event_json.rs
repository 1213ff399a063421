//! An event as `listen --json` prints it.

use serde::Serialize;

use crate::control::Event;

/// An event and, of a message, the payload: as text if it is text.
#[derive(Debug, Serialize)]
pub(super) struct EventJson<'a> {
    #[serde(flatten)]
    event: &'a Event,
    /// The payload of a message, when it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The payload of a message, when it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl<'a> EventJson<'a> {
    pub(super) fn new(event: &'a Event, payload: &'a [u8]) -> Self {
        let is_message = matches!(event, Event::Message { .. });
        let text = str::from_utf8(payload).ok().filter(|_| is_message);
        let hex = (is_message && text.is_none())
            .then(|| payload.iter().map(|byte| format!("{byte:02x}")).collect());
        EventJson { event, text, hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn the_payload_is_text_or_hex() {
        let event = Event::Message {
            region: "r".into(),
            from: None,
            topic: "t".into(),
            message: 7,
            redelivered: false,
        };
        let value = |payload: &[u8]| to_value(EventJson::new(&event, payload)).unwrap();
        let text = value("grüße\n".as_bytes());
        assert_eq!(
            (&text["event"], &text["text"], text.get("hex")),
            (&json!("message"), &json!("grüße\n"), None)
        );
        let bytes = value(b"\xff\x00");
        assert_eq!((bytes.get("text"), &bytes["hex"]), (None, &json!("ff00")));
    }

    #[test]
    fn what_is_no_message_has_no_payload() {
        let event = Event::Lost { count: 3 };
        assert_eq!(to_value(EventJson::new(&event, b"")).unwrap(), json!({"event": "lost", "count": 3}));
    }
}
