//! One engine that runs on one target.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{SysconfVar, sysconf};

use super::FuzzTarget;
use super::engine::Engine;
use super::progress::Progress;
use crate::Error;
use crate::keeper::Keeper;
use crate::process::Process;

/// An input on which a target works so long is a finding. Engines give way to everybody else, so it is long.
const SECONDS_AN_INPUT: u32 = 120;
/// Memory of an engine, in MiB; more is a finding.
const MEMORY: u32 = 2048;
/// Longest input that an engine makes, in bytes.
const LONGEST: u32 = 4096;
/// Lines of an engine's last words that are shown.
const LAST_WORDS: usize = 30;

/// An engine that runs.
#[derive(Debug)]
pub(super) struct Hunt {
    target: FuzzTarget,
    process: Process,
    started: Instant,
    /// Findings of this hunt are not older.
    since: SystemTime,
    took: Duration,
    processor: Duration,
    log: PathBuf,
    findings: PathBuf,
}

impl Hunt {
    /// Starts an engine, for `time`. What it finds to be worth keeping it keeps from hunt to hunt.
    pub(super) fn start(
        engine: &Engine,
        target: FuzzTarget,
        time: Duration,
        logs: &Path,
        scratch: &Path,
        keeper: &Arc<Keeper>,
    ) -> Result<Self, Error> {
        let log = logs.join(format!("{target}.log"));
        let findings = engine.folder("findings", target)?;
        // The lowest priority: whoever else wants the processor has it.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(&engine.program);
        command.env("IVRING_FUZZ_TARGET", target.name()).env("TMPDIR", scratch);
        command.arg(format!("-max_total_time={}", time.as_secs().max(1)));
        command.arg(format!("-timeout={SECONDS_AN_INPUT}"));
        command.arg(format!("-rss_limit_mb={MEMORY}"));
        command.arg(format!("-max_len={LONGEST}"));
        command.arg(format!("-artifact_prefix={}/", findings.display()));
        command.arg("-print_final_stats=1");
        if let Some(dictionary) = Engine::dictionary(target) {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        command.arg(engine.folder("corpus", target)?).arg(engine.folder("seeds", target)?);
        let since = SystemTime::now();
        let process = Process::start(&format!("the engine of {target}"), &command, &log, keeper)?;
        let (took, processor) = (Duration::ZERO, Duration::ZERO);
        Ok(Hunt { target, process, started: Instant::now(), since, took, processor, log, findings })
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> Result<bool, Error> {
        if let Some(processor) = processor_time(self.process.id()) {
            self.processor = processor;
        }
        self.took = self.started.elapsed();
        Ok(self.process.status()?.is_none())
    }

    /// Tells how it ended, and returns the number of its findings.
    pub(super) fn report(mut self) -> Result<usize, Error> {
        let found = self.found()?;
        println!("{self}, {} findings", found.len());
        let target = self.target;
        let succeeded = self.process.status()?.is_some_and(|status| status.success());
        if !succeeded {
            eprintln!("{}", last_words(&self.log));
        }
        if !succeeded && found.is_empty() {
            return Err(Error::Failed(format!("the engine of {target} failed, see {}", self.log.display())));
        }
        for file in &found {
            println!("  {}", file.display());
            println!("  to repeat: cargo run -p ivring-lab -- fuzz --input {} {target}", file.display());
        }
        Ok(found.len())
    }

    /// The inputs that it has found to break the target.
    fn found(&self) -> Result<Vec<PathBuf>, Error> {
        let files = fs::read_dir(&self.findings);
        let files = files.map_err(Error::io(format!("cannot read {}", self.findings.display())))?;
        let new = |path: &PathBuf| {
            fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|time| time >= self.since)
        };
        Ok(files.filter_map(Result::ok).map(|file| file.path()).filter(new).collect())
    }
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        let log = fs::read(&self.log).unwrap_or_default();
        let progress = Progress::of(&String::from_utf8_lossy(&log));
        let (target, took, processor) = (self.target, minutes(self.took), minutes(self.processor));
        write!(f, "{target}: {took:.1} min, {processor:.1} min of processor time, {progress}")
    }
}

/// How long a process has had a processor, as far as the system tells.
fn processor_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let a_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok().filter(|rate| *rate > 0)?;
    Some(Duration::from_millis(ticks * 1000 / a_second))
}

/// What an engine said last, without its progress.
fn last_words(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(['#', '\t'])).collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}
