//! virsh as a subprocess.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use super::LibvirtError;

/// How much of what virsh prints is read. The documents of a portion of domains are a fraction of it.
const MOST_PRINTED: u64 = 64 << 20;
/// How much of what virsh complains about is read.
const MOST_COMPLAINED: u64 = 1 << 20;

/// virsh, to be run with one URI.
#[derive(Debug)]
pub(super) struct Virsh {
    uri: String,
    read_only: bool,
    apart: bool,
}

/// What came of a process.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
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
        Self { uri, read_only, apart: false }
    }

    /// The same in process groups of their own, so that Ctrl-C on a terminal does not end them in the midst of a change.
    pub(super) fn apart(self) -> Self {
        Self { apart: true, ..self }
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

    /// virsh with the words `words`, and pipes for what it writes.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("virsh");
        command.env("LC_ALL", "C").args(["--quiet", "--connect", &self.uri]);
        if self.read_only {
            command.arg("--readonly");
        }
        if self.apart {
            command.process_group(0);
        }
        command.arg("--").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn output(&self, words: &[&str], input: &str) -> Result<Ended, LibvirtError> {
        let mut child = spawn(self.command(words).stdin(Stdio::piped()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = thread::scope(|scope| {
            // A virsh that fails early reads nothing; what it says then matters, not that the pipe broke.
            scope.spawn(move || pipes.0.map(|mut stdin| stdin.write_all(input.as_bytes())));
            let stderr = scope.spawn(move || read(pipes.2, MOST_COMPLAINED));
            // What is left unread ends virsh, for its pipe breaks.
            (read(pipes.1, MOST_PRINTED), stderr.join())
        });
        let status = child.wait()?;
        let stderr = stderr.unwrap_or_else(|_| Ok(Vec::new()))?;
        let stdout = stdout?;
        if u64::try_from(stdout.len()).is_ok_and(|length| length >= MOST_PRINTED) {
            let command = words.first().copied().unwrap_or_default();
            let command = command.split(' ').next().unwrap_or_default().to_owned();
            return Err(LibvirtError::TooMuch { command, most: MOST_PRINTED });
        }
        Ok(Ended { status, stdout, stderr })
    }
}

/// Starts `virsh`.
pub(super) fn spawn(virsh: &mut Command) -> Result<Child, LibvirtError> {
    virsh.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LibvirtError::NoVirsh,
        _ => LibvirtError::Run(error),
    })
}

/// What comes out of `pipe`, up to `most` bytes of it.
pub(super) fn read(pipe: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |pipe| pipe.take(most).read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// What virsh complained about, and what ended it if it did not end by itself.
fn complaints(ended: &Ended) -> Vec<String> {
    let mut errors = errors_in(&ended.stderr);
    if let Some(signal) = ended.status.signal().filter(|_| errors.is_empty()) {
        errors.push(format!("virsh was ended by signal {signal}"));
    }
    errors
}

/// The lines of virsh's own errors. Other lines may show XML with secrets in it.
pub(super) fn errors_in(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let errors = text.lines().filter_map(|line| line.strip_prefix("error: "));
    errors
        .map(|line| line.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect())
        .collect()
}

fn text(command: &str, bytes: Vec<u8>) -> Result<String, LibvirtError> {
    String::from_utf8(bytes).map_err(|_| LibvirtError::Garbled { command: command.to_owned() })
}
