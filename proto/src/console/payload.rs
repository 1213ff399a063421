//! The payload of a message: where `send` takes it from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::failure::Failure;
use crate::control::{Code, MAX_BODY};

/// A file's contents, standard input for the text `-`, the text itself, or nothing.
pub(super) fn payload(text: Option<String>, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match (text, file) {
        (_, Some(path)) => {
            let name = path.display().to_string();
            let file = File::open(path)
                .map_err(|error| Failure::new(Code::Failure, format!("can't open {name}: {error}")))?;
            read(file, &name)
        }
        (Some(text), None) if text == "-" => read(io::stdin().lock(), "standard input"),
        (Some(text), None) => Ok(text.into_bytes()),
        (None, None) => Ok(Vec::new()),
    }
}

/// Reads to the end, but no more than any message can have.
fn read(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_BODY as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(Code::Failure, format!("can't read {name}: {error}")))?;
    if bytes.len() > MAX_BODY {
        let text = format!("{name} has more than {MAX_BODY} bytes, too many for a message: send it in parts");
        return Err(Failure::new(Code::BadInput, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_an_end() {
        let all = read(io::repeat(1).take(MAX_BODY as u64), "it").unwrap();
        assert_eq!(all.len(), MAX_BODY);
        let more = read(io::repeat(1), "it").unwrap_err();
        assert!(matches!(more, Failure::Told { code: Code::BadInput, .. }), "{more:?}");
    }
}
