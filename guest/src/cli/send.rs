//! `ivring-agent send`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use ivring_proto::control::{MAX_BODY, Request, Sent, Target};

use super::Send;
use super::failure::Failure;

/// Sends one message through the running agent.
pub(super) fn send(send: Send, out: &mut impl Write) -> Result<(), Failure> {
    let payload = match (send.text, &send.file) {
        (_, Some(path)) => read_file(path)?,
        (Some(text), None) if text == "-" => read_all(io::stdin().lock(), "standard input")?,
        (Some(text), None) => text.into_bytes(),
        (None, None) => Vec::new(),
    };
    let wait_ms = u32::try_from(send.wait.as_millis()).unwrap_or(u32::MAX);
    let request = Request::Send { target: Target::default(), topic: send.topic, wait_ms };
    let (response, _) = send.socket.connect()?.call(&request, &payload)?;
    if send.json {
        let sent: Sent = response
            .payload()
            .map_err(|error| Failure::new(5, format!("the agent is of another version: {error}")))?;
        serde_json::to_writer(&mut *out, &sent).map_err(io::Error::from).map_err(Failure::output)?;
        writeln!(out).and_then(|()| out.flush()).map_err(Failure::output)?;
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::new(5, format!("can't open {name}: {error}")))?;
    read_all(file, &name)
}

/// Reads to the end, but no more than a message can have anywhere.
fn read_all(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_BODY as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(5, format!("can't read {name}: {error}")))?;
    if bytes.len() > MAX_BODY {
        return Err(Failure::new(4, format!("{name} has more than {MAX_BODY} bytes: send it in parts")));
    }
    Ok(bytes)
}

/// Reads a number of seconds such as `5` or `0.25`, for what is 32 bits of milliseconds on the control socket.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| *time <= Duration::from_secs(86_400))
        .ok_or_else(|| "write seconds from 0 to 86400, such as 5 or 0.25".to_owned())
}
