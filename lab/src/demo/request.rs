//! A request, and what the agent answers.

use std::time::Instant;

use ivring_proto::control::{Client, Request, Target};
use serde::Deserialize;

use crate::Error;
use crate::daemon::failed;

/// What every agent answers.
const TOPIC: &str = "ivring.info";
/// How long to wait for the answer, in milliseconds.
const TIMEOUT_MS: u32 = 5_000;

/// The part of the answer that is shown.
#[derive(Debug, Deserialize)]
struct Info {
    kernel: Option<String>,
    uptime_seconds: Option<u64>,
}

/// Asks a guest's agent about its machine; returns the answer in words, with the time that it took.
pub(super) fn ask(daemon: &mut Client, target: &Target) -> Result<String, Error> {
    let request =
        Request::Request { target: target.clone(), topic: TOPIC.to_owned(), timeout_ms: TIMEOUT_MS };
    let started = Instant::now();
    let (_, answer) = daemon.call(&request, &[]).map_err(failed("ask the guest"))?;
    let took = started.elapsed();
    let info: Info = serde_json::from_slice(&answer)
        .map_err(|error| Error::Failed(format!("{TOPIC} is answered by something else: {error}")))?;
    Ok(told(&info) + &format!(", after {} us", took.as_micros()))
}

fn told(info: &Info) -> String {
    let kernel = info.kernel.as_deref().unwrap_or("of some version");
    let uptime = info.uptime_seconds.map_or_else(String::new, |seconds| format!(", up for {seconds} s"));
    format!("\"Linux {kernel}{uptime}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_cannot_read_is_left_out() {
        let told = |text| told(&serde_json::from_str(text).unwrap());
        assert_eq!(
            told(r#"{"kernel": "6.1", "uptime_seconds": 7, "agent": "0"}"#),
            "\"Linux 6.1, up for 7 s\""
        );
        assert_eq!(told("{}"), "\"Linux of some version\"");
    }
}
