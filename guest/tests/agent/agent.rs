//! The agent as a process, in a directory of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ivring_proto::control::{Client, Service};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::host::{Heard, Host, MIB, format, make_file};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a region's file and an agent's socket, and the agent's commands.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn region(&self) -> PathBuf {
        self.path().join("region")
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join("agent.sock")
    }

    /// The agent's program.
    pub fn program() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-agent"));
        command.stdin(Stdio::null());
        command
    }

    /// `ivring-agent run`, as the guest number `id`.
    pub fn run(&self, id: u64, more: &[&str]) -> Command {
        let mut command = Self::program();
        // This machine's own configuration is none of the test's.
        command.args(["run", "--config", "/dev/null", "--region"]).arg(self.region());
        command.arg("--id").arg(uuid(id)).args(["--name", &format!("guest{id}")]).args(more);
        command.arg("--socket").arg(if id == 1 { self.socket() } else { self.path().join(id.to_string()) });
        command
    }

    /// Starts the agent as guest number 1.
    pub fn start(&self) -> Agent {
        Agent::start(self.run(1, &[]))
    }

    /// Another command of the agent, on its socket.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Self::program();
        command.args(arguments).arg("--socket").arg(self.socket());
        command
    }

    /// Runs another command of the agent to its end.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A connection to the agent's control socket.
    pub fn client(&self) -> Client {
        Client::connect(Service::Agent, &self.socket()).unwrap()
    }

    /// What `status --json` prints, and its exit code.
    pub fn status(&self) -> (Option<i32>, serde_json::Value) {
        let output = self.ask(&["status", "--json"]);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }
}

/// A region of 1 MiB for three guests, a host, and agent 1 attached on channel 0.
pub fn attached(place: &Place) -> (Host, Agent) {
    attached_with(place, &[])
}

/// As [`attached`], with more options for the agent.
pub fn attached_with(place: &Place, more: &[&str]) -> (Host, Agent) {
    make_file(&place.region(), MIB);
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    let mut agent = Agent::start(place.run(1, more));
    assert_eq!(host.next(), Heard::Attached { channel: 0, name: "guest1".into(), resumed: false });
    agent.line_with("attached to region 'test', channel 0");
    (host, agent)
}

pub fn uuid(id: u64) -> String {
    format!("6b7c1f2e-0000-4000-8000-{id:012}")
}

/// Asks again and again until the answer is something.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A process whose lines are read as they come; killed when dropped.
pub struct Agent {
    child: Child,
    lines: Receiver<String>,
    /// The lines that were read.
    pub seen: Vec<String>,
}

impl Agent {
    /// Starts it and reads what it logs.
    pub fn start(mut command: Command) -> Agent {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        Agent { child, lines, seen: Vec::new() }
    }

    /// Starts it and reads what it prints.
    pub fn start_reading_output(mut command: Command) -> Agent {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Agent { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that has `text` in it.
    pub fn line_with(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with '{text}' but {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        wait_for("end of the process", || self.has_ended())
    }

    /// How it has ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap()?;
        self.seen.extend(self.lines.iter());
        Some(status)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
