//! The daemon, and the operator's command to ask it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ivring_lab::{Lab, Process};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::setup::{LIMIT, programs, wait_for};

/// What a command came to.
#[derive(Debug)]
pub struct Answer {
    pub status: Option<i32>,
    pub output: String,
    pub messages: String,
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Answer {
    let done = command.output().expect("it starts");
    Answer {
        status: done.status.code(),
        output: String::from_utf8_lossy(&done.stdout).into_owned(),
        messages: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// `ivringd` with a control socket of its own. Its log goes on over its lives.
pub struct Daemon<'a> {
    lab: &'a Lab,
    arguments: Vec<String>,
    socket: PathBuf,
    process: Process,
}

impl<'a> Daemon<'a> {
    /// Starts it and waits until it answers.
    pub fn start(lab: &'a Lab, arguments: &[&str]) -> Self {
        let socket = lab.folder().join("ivringd");
        let mut all: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // This machine's own configuration is none of the test's.
        all.extend(["--config", "/dev/null", "--socket"].map(str::to_owned));
        all.push(socket.display().to_string());
        let process = Self::spawn(lab, &all);
        let daemon = Self { lab, arguments: all, socket, process };
        daemon.wait_until_it_answers();
        daemon
    }

    fn spawn(lab: &Lab, arguments: &[String]) -> Process {
        let mut command = Command::new(&programs().artifacts.ivringd);
        command.args(arguments);
        lab.spawn("ivringd", command).expect("it starts")
    }

    fn wait_until_it_answers(&self) {
        wait_for("an answer of ivringd", || {
            (self.ivring(&["ls"]).status.is_some_and(|status| status < 2)).then_some(())
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        assert_eq!(self.process.status().expect("it can be asked"), None, "it should run until now");
        self.process.kill().expect("it ends");
    }

    /// Starts it again, with the same arguments, and waits until it answers.
    pub fn start_again(&mut self) {
        self.process = Self::spawn(self.lab, &self.arguments);
        self.wait_until_it_answers();
    }

    /// Asks it to end; its status.
    pub fn end(&mut self) -> Option<i32> {
        self.process.signal(Signal::SIGTERM).expect("it runs");
        self.process.wait(LIMIT).expect("it ends").code()
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs `ivring` against it.
    pub fn ivring(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(&programs().artifacts.ivring);
        run(command.arg("--socket").arg(&self.socket).args(arguments))
    }

    /// Every guest it lists.
    pub fn guests(&self) -> Vec<Value> {
        let answer = self.ivring(&["ls", "--json"]);
        let listed: Value = serde_json::from_str(&answer.output).expect("ls --json prints JSON");
        listed["guests"].as_array().expect("a list").clone()
    }

    /// Waits until it lists a guest of this name in this state, and returns what it lists of it.
    pub fn wait_for_guest(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} {state}"), || {
            self.guests().into_iter().find(|guest| guest["name"] == name && guest["state"] == state)
        })
    }

    /// As [`assert_answers`](Self::assert_answers), of a guest that says itself that it is attached: the daemon sees that a
    /// moment later.
    pub fn assert_answers_soon(&self, guest: &str) {
        wait_for(&format!("{guest} attached"), || {
            let is_it = |listed: &Value| listed["name"] == guest && listed["state"] == "attached";
            self.guests().iter().any(is_it).then_some(())
        });
        self.assert_answers(guest);
    }

    /// Pings a guest three times, which is listed as attached.
    pub fn assert_answers(&self, guest: &str) {
        let answer = self.ivring(&["ping", guest, "--count", "3", "--interval", "0", "--json"]);
        assert_eq!(answer.status, Some(0), "{answer:?}");
        let pings: Value = serde_json::from_str(&answer.output).expect("ping --json prints JSON");
        assert_eq!(pings["answered"], 3, "{pings}");
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.process.log()).expect("it has a log")
    }

    /// Waits for a line of its log that holds all of these words.
    pub fn wait_for_line(&self, words: &[&str]) -> String {
        wait_for(&format!("a line of ivringd with {words:?}; see {}", self.process.log().display()), || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }
}
