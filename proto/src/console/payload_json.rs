//! A payload as JSON shows it.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

/// The field that holds a payload: `text` when it is UTF-8, `hex` with two digits a byte when it is not, `file` when it
/// was written to one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PayloadJson<'a> {
    Text(&'a str),
    #[serde(serialize_with = "hex")]
    Hex(&'a [u8]),
    /// A path that is no text shows `\u{fffd}` where it is none.
    #[serde(serialize_with = "path")]
    File(&'a Path),
}

impl<'a> PayloadJson<'a> {
    pub(super) fn new(payload: &'a [u8], file: Option<&'a Path>) -> Self {
        match (file, str::from_utf8(payload)) {
            (Some(file), _) => PayloadJson::File(file),
            (None, Ok(text)) => PayloadJson::Text(text),
            (None, Err(_)) => PayloadJson::Hex(payload),
        }
    }
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(bytes))
}

fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn a_payload_is_text_or_hex_or_in_a_file() {
        let value = |payload, file| to_value(PayloadJson::new(payload, file)).unwrap();
        assert_eq!(value("grüße\n\0".as_bytes(), None), json!({"text": "grüße\n\0"}));
        assert_eq!(value(b"", None), json!({"text": ""}));
        assert_eq!(value(b"\xff\x00a", None), json!({"hex": "ff0061"}));
        assert_eq!(value(b"\xff", Some(Path::new("d/1-t"))), json!({"file": "d/1-t"}));
    }
}
