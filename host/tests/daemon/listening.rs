//! `ivring listen` and other commands that print, while they run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::running::{Daemon, LIMIT};

/// A command that prints, ended when dropped.
pub struct Listening {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Starts `ivring listen` and waits until the daemon knows that it listens.
    pub fn listen(&self, arguments: &[&str]) -> Listening {
        let before = self.listeners();
        let listening = self.begin(&[&["listen"], arguments].concat());
        let deadline = Instant::now() + LIMIT;
        while self.listeners() == before {
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        listening
    }

    /// Starts a command whose output is read while it runs.
    pub fn begin(&self, arguments: &[&str]) -> Listening {
        self.ivring(arguments).stdout(Stdio::piped()).spawn().expect("ivring starts").into()
    }

    fn listeners(&self) -> u64 {
        self.status()["control"]["listeners"].as_u64().expect("a number")
    }
}

impl From<Child> for Listening {
    /// A command that was started with a pipe for its output.
    fn from(mut child: Child) -> Self {
        let output = Some(BufReader::new(child.stdout.take().expect("a pipe")));
        Listening { child, output }
    }
}

impl Listening {
    /// What it said on its other output, a pipe, until its end.
    pub fn errors(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut text).expect("text");
        text
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().expect("open").read_line(&mut line).expect("text");
        assert_eq!(line.pop(), Some('\n'), "it has ended");
        line
    }

    pub fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// Stops to read what it prints.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
    }

    pub fn has_not_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }

    /// Waits for its end.
    pub fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        while self.has_not_ended() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.wait().expect("its status")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
