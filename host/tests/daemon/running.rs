//! A daemon that runs, and commands that speak with it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ivring_proto::control::{Client, Request, Service};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::Place;

/// Longer than anything here takes on any machine; only a test that fails waits for it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// `ivringd`, killed when dropped.
pub struct Daemon {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    socket: PathBuf,
}

impl Daemon {
    /// Starts it on the place's shared region and waits until it serves clients.
    pub fn start(place: &Place) -> Self {
        Self::start_with(place, &["--region", place.region(), "--size", "1M", "--channels", "4"])
    }

    /// Starts it with these arguments and waits until it serves clients.
    pub fn start_with(place: &Place, arguments: &[&str]) -> Self {
        Self::start_command(place, Self::command(place, arguments))
    }

    /// Starts it by a command that is, or becomes, `ivringd`, and waits until it serves clients.
    pub fn start_command(place: &Place, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("ivringd starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("clients are served at") {
            line.clear();
            if log.read_line(&mut line).expect("a log") == 0 {
                panic!("ivringd ended: {:?}", child.wait());
            }
        }
        Daemon { child, log: Some(log), socket: place.socket() }
    }

    /// Runs it where it cannot start.
    pub fn fails_with(place: &Place, arguments: &[&str]) -> (i32, String) {
        let output = Self::command(place, arguments).output().expect("ivringd starts");
        (output.status.code().expect("an exit code"), String::from_utf8(output.stderr).expect("text"))
    }

    fn command(place: &Place, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivringd"));
        command.arg("--socket").arg(place.socket()).args(arguments).stdin(Stdio::null());
        if !arguments.contains(&"--config") {
            // This machine's own configuration is none of the test's.
            command.args(["--config", "/dev/null"]);
        }
        command
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            assert!(Instant::now() < deadline, "ivringd does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as an operator does, and returns what it logged since it began to serve.
    pub fn stopped(mut self) -> String {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait().code(), Some(0));
        self.log()
    }

    /// What it logged since it began to serve; waits for its end.
    pub fn log(mut self) -> String {
        let mut text = String::new();
        self.log.take().expect("taken once").read_to_string(&mut text).expect("text");
        text
    }

    /// An `ivring` command to this daemon.
    pub fn ivring(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivring"));
        command.arg("--socket").arg(&self.socket).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs an `ivring` command that is to succeed, and returns its output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.ivring(arguments).output().expect("ivring starts");
        assert!(status.success(), "{arguments:?}: {status}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("text")
    }

    /// Runs an `ivring` command that is to succeed, and returns its output as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[&["--json"], arguments].concat())).expect("JSON")
    }

    /// Runs an `ivring` command that is to fail, and returns its exit code and what it says.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.ivring(arguments).output().expect("ivring starts");
        assert!(!status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stdout));
        (status.code().expect("an exit code"), String::from_utf8(stderr).expect("text"))
    }

    /// A client of the daemon's control socket.
    pub fn client(&self) -> Client {
        Client::connect(Service::Daemon, &self.socket).expect("a connection")
    }

    /// What the daemon says of itself.
    pub fn status(&self) -> Value {
        let (response, _) = self.client().call(&Request::Status, &[]).expect("an answer");
        Value::Object(response.data)
    }

    /// The guests, as `ivring ls --json` shows them.
    pub fn guests(&self) -> Vec<Value> {
        let Value::Array(guests) = self.json(&["ls"])["guests"].take() else { panic!("a list") };
        guests
    }

    /// Waits until the guests are so.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let guests = self.guests();
            if is_so(&guests) {
                return guests;
            }
            assert!(Instant::now() < deadline, "{what}: {guests:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
