//! virsh as a subprocess.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::thread;

use super::LibvirtError;

/// virsh, to be run with one URI.
#[derive(Debug)]
pub(super) struct Virsh {
    uri: String,
    read_only: bool,
}

/// What came of several commands.
#[derive(Debug)]
pub(super) struct Answers {
    /// What each command printed; nothing if it failed.
    pub(super) printed: Vec<String>,
    /// What virsh complained about, of all commands together.
    pub(super) complaints: Vec<String>,
}

impl Virsh {
    pub(super) fn new(uri: String, read_only: bool) -> Self {
        Self { uri, read_only }
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// What the command with the words `words` prints when it reads `input`. XML goes this way: it needs no file, and
    /// no other process sees it.
    pub(super) fn run(&self, words: &[&str], input: &str) -> Result<String, LibvirtError> {
        let command = words.first().copied().unwrap_or_default();
        let output = self.output(words, input)?;
        if !output.status.success() {
            return Err(self.error(command, &complaints(&output)));
        }
        text(command, output.stdout)
    }

    /// The answers to several commands of one process, which goes on where one of them fails. Each word is one that
    /// virsh need not be quoted for: a name of a command, an option or a UUID.
    pub(super) fn batch(&self, commands: &[String]) -> Result<Answers, LibvirtError> {
        let what = commands.first().and_then(|first| first.split(' ').next()).unwrap_or_default();
        // What a domain says of itself cannot foresee this. A quiet virsh ends no line after it.
        let marker = format!("end-{:016x}", RandomState::new().build_hasher().finish());
        let mut script = String::new();
        for command in commands {
            script += &format!("{command}; echo {marker}; ");
        }
        let output = self.output(&[&script], "")?;
        let complaints = complaints(&output);
        let error = self.error(what, &complaints);
        if matches!(error, LibvirtError::Connect { .. }) {
            return Err(error);
        }
        let text = text(what, output.stdout)?;
        let mut printed: Vec<String> = text.split(&marker).map(str::to_owned).collect();
        // What follows the last marker is no answer.
        printed.pop();
        if printed.len() == commands.len() {
            Ok(Answers { printed, complaints })
        } else {
            Err(LibvirtError::Garbled { command: what.to_owned() })
        }
    }

    pub(super) fn error(&self, command: &str, complaints: &[String]) -> LibvirtError {
        LibvirtError::of(&self.uri, command, complaints)
    }

    fn output(&self, words: &[&str], input: &str) -> Result<Output, LibvirtError> {
        let mut command = Command::new("virsh");
        command.env("LC_ALL", "C").args(["--quiet", "--connect", &self.uri]);
        if self.read_only {
            command.arg("--readonly");
        }
        let child = command
            .arg("--")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LibvirtError::NoVirsh,
            _ => LibvirtError::Run(error),
        })?;
        let stdin = child.stdin.take();
        thread::scope(|scope| {
            // A virsh that fails early reads nothing; what it says then matters, not that the pipe broke.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output().map_err(LibvirtError::Run)
        })
    }
}

/// The lines of virsh's own errors, and what ended it if it did not end by itself. Other lines may show XML with secrets in it.
fn complaints(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
    let mut errors: Vec<String> = errors
        .map(|line| line.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect())
        .collect();
    if let Some(signal) = output.status.signal().filter(|_| errors.is_empty()) {
        errors.push(format!("virsh was ended by signal {signal}"));
    }
    errors
}

fn text(command: &str, bytes: Vec<u8>) -> Result<String, LibvirtError> {
    String::from_utf8(bytes).map_err(|_| LibvirtError::Garbled { command: command.to_owned() })
}
