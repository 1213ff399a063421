//! The payload of a message: where `send` takes it from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ivring_proto::control::{Code, MAX_BODY};

use super::failure::Failure;

/// The text itself, standard input for `-`, a file's contents, or nothing.
pub(super) fn payload(text: Option<String>, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match (text, file) {
        (_, Some(path)) => {
            let name = path.display().to_string();
            let file = File::open(path)
                .map_err(|error| Failure::new(Code::Failure, format!("cannot open {name}: {error}")))?;
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
        .map_err(|error| Failure::new(Code::Failure, format!("cannot read {name}: {error}")))?;
    if bytes.len() > MAX_BODY {
        let text = format!("{name} has more than {MAX_BODY} bytes, too many for a message: send it in parts");
        return Err(Failure::new(Code::BadInput, text));
    }
    Ok(bytes)
}
