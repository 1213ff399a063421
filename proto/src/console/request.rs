//! `request`: one question, by way of a server, and its answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::endpoint::Endpoint;
use super::failure::Failure;
use super::output::Output;
use super::payload::payload;
use super::payload_json::PayloadJson;
use super::seconds::milliseconds;
use crate::control::{Code, Request, Target};

/// A request as a command line gives it.
#[derive(Debug)]
pub struct Question {
    /// Who is asked.
    pub target: Target,
    /// Its topic.
    pub topic: String,
    /// The payload; `-` reads it from standard input, and without text or file it is empty.
    pub text: Option<String>,
    /// The file that holds the payload, in the place of a text.
    pub file: Option<PathBuf>,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// The file that gets the answer, in the place of standard output.
    pub answer: Option<PathBuf>,
}

/// What is printed of an answer where JSON is wanted.
#[derive(Debug, Serialize)]
struct AnswerJson<'a> {
    /// How the other side answered. Everything but `ok` is a failure, which is said on standard error.
    status: &'a str,
    /// Length of the answer.
    bytes: usize,
    #[serde(flatten)]
    payload: PayloadJson<'a>,
}

/// Reads the payload, asks, and writes the answer as it is: its bytes and nothing else. Blocks until it is there.
///
/// # Errors
/// When the payload can't be read or is too large, the server can't be reached, nobody answered in time or at all, the
/// answer is that it failed, or it can't be written. A file for the answer is left alone then.
pub fn request(question: Question, endpoint: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Question { target, topic, text, file, timeout, answer } = question;
    // Before it connects: standard input may take its time.
    let payload = payload(text, file.as_deref())?;
    let request = Request::Request { target, topic, timeout_ms: milliseconds(timeout) };
    let (_, body) = endpoint.connect()?.call(&request, &payload)?;
    if let Some(path) = &answer {
        write(path, &body)?;
    }
    if out.json {
        let payload = PayloadJson::new(&body, answer.as_deref());
        out.json(&AnswerJson { status: "ok", bytes: body.len(), payload })
    } else if answer.is_none() {
        out.bytes(&body)
    } else {
        Ok(())
    }
}

fn write(path: &Path, body: &[u8]) -> Result<(), Failure> {
    fs::write(path, body)
        .map_err(|error| Failure::new(Code::Failure, format!("can't write {}: {error}", path.display())))
}
