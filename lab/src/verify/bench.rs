//! Runs one command at a time, its output in a log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Tally;
use crate::Error;
use crate::keeper::Keeper;
use crate::logs::fresh_logs;
use crate::process::Process;

/// How long a command may be silent on the terminal.
const SILENCE: Duration = Duration::from_secs(15);
/// Longer than any command here takes on two slow cores.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// How many lines of a failed command's output are shown.
const SHOWN_LINES: usize = 200;

/// Where commands run: their logs, and what ends them when the verification is interrupted.
#[derive(Debug)]
pub(super) struct Bench {
    logs: PathBuf,
    keeper: Arc<Keeper>,
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its output and messages.
    pub(super) output: String,
    /// It exited with status 0 in time.
    pub(super) succeeded: bool,
}

impl Bench {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self { logs: fresh_logs("verify")?, keeper: Arc::new(Keeper::start()?) })
    }

    /// Removes `path` when the verification ends.
    pub(super) fn remove_at_end(&self, path: &Path) -> Result<(), Error> {
        self.keeper.remove(path)
    }

    /// Runs a command that is one check by itself; shows its output if it fails.
    pub(super) fn check(&self, name: &str, command: Command) -> Result<Tally, Error> {
        let ended = self.run(name, command, LIMIT)?;
        if ended.succeeded {
            return Ok(Tally::PASSED);
        }
        show(&ended.output);
        Ok(Tally::FAILED)
    }

    /// Runs `cargo test` and counts the tests; shows the output if one fails.
    pub(super) fn test(&self, name: &str, command: Command) -> Result<Tally, Error> {
        let ended = self.run(name, command, LIMIT)?;
        let tally = Tally::of_tests(&ended.output, ended.succeeded);
        if tally.failed > 0 {
            show(&ended.output);
        }
        for line in ended.output.lines().filter(|line| line.starts_with("SKIPPED ")) {
            eprintln!("      {line}");
        }
        Ok(tally)
    }

    /// Runs a command for at most `limit`, then kills it with all it started. Its log is `NAME.log`.
    pub(super) fn run(&self, name: &str, command: Command, limit: Duration) -> Result<Ended, Error> {
        let log = self.logs.join(format!("{}.log", name.replace([' ', '/'], "-")));
        // A step may run several commands under one name; the log holds the last.
        fs::write(&log, "").map_err(Error::io(format!("cannot write {}", log.display())))?;
        let mut process = Process::start(name, &command, &log, &self.keeper)?;
        let deadline = Instant::now() + limit;
        let status = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match process.wait(left.min(SILENCE)) {
                Ok(status) => break Some(status),
                Err(_) if Instant::now() >= deadline => break None,
                Err(_) => eprintln!("      {}", last_line(&log)),
            }
        };
        drop(process);
        let bytes = fs::read(&log).map_err(Error::io(format!("cannot read {}", log.display())))?;
        let mut output = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_none() {
            output.push_str(&format!("\nit still ran after {} s and was ended\n", limit.as_secs()));
        }
        Ok(Ended { output, succeeded: status.is_some_and(|status| status.success()) })
    }
}

fn last_line(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(no output yet)").trim().to_owned()
}

/// Shows the end of a failed command's output, without what went well.
pub(super) fn show(output: &str) {
    let lines: Vec<_> = output.lines().filter(|line| !went_well(line)).collect();
    let left_out = lines.len().saturating_sub(SHOWN_LINES);
    if left_out > 0 {
        eprintln!("    ... {left_out} lines before, see the log");
    }
    for line in &lines[left_out..] {
        eprintln!("    {line}");
    }
}

fn went_well(line: &str) -> bool {
    let line = line.trim();
    let passed = line.starts_with("test ") && line.ends_with(" ok");
    let noise =
        ["running ", "test result: ok", "Compiling ", "Checking ", "Running ", "Doc-tests ", "Finished "];
    line.is_empty() || passed || noise.iter().any(|start| line.starts_with(start))
}
