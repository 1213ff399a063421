//! `ivring listen`, while it runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{Daemon, LIMIT};

/// A command that listens, ended when dropped.
pub struct Listening {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Starts `ivring listen` and waits until the daemon knows that it listens.
    pub fn listen(&self, arguments: &[&str]) -> Listening {
        let before = self.listeners();
        let mut command = self.ivring(&[&["listen"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("ivring starts");
        let output = Some(BufReader::new(child.stdout.take().expect("a pipe")));
        let deadline = Instant::now() + LIMIT;
        while self.listeners() == before {
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Listening { child, output }
    }

    fn listeners(&self) -> u64 {
        self.status()["control"]["listeners"].as_u64().expect("a number")
    }
}

impl Listening {
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
