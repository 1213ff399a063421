//! Coverage-guided fuzzing: builds the targets with an engine, runs them, and tells what they came to.
//!
//! | module | what it is |
//! | --- | --- |
//! | `target` | the targets by name |
//! | `engine` | builds: instrumented, plain, and the inputs to begin with |
//! | `hunt` | one engine that runs |
//! | `progress` | what an engine says of itself |

mod engine;
mod hunt;
mod progress;
mod target;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use crate::keeper::Keeper;
use crate::logs::fresh_logs;
use crate::packages::prepare_compiler;
use crate::{Consent, Error};
use engine::Engine;
use hunt::Hunt;
pub use target::FuzzTarget;

/// How often engines are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often their progress is told.
const TELL: Duration = Duration::from_secs(30);

/// What to fuzz, and for how long.
#[derive(Debug)]
pub struct Fuzz {
    /// The targets.
    pub targets: Vec<FuzzTarget>,
    /// For each of them.
    pub time: Duration,
    /// How many at a time; as many as there are processors if it is not said.
    pub jobs: Option<NonZeroUsize>,
    /// Whether a missing compiler may be installed.
    pub consent: Consent,
}

/// Looks for inputs that break the targets, and returns how many were found. Progress goes to standard error, a line for each
/// target and each finding to standard output. Blocks until the time is over or every target is broken.
///
/// # Errors
///
/// [`Error::Refused`] without a C++ compiler, [`Error::Failed`] if something does not build or an engine fails.
pub fn fuzz(fuzz: &Fuzz) -> Result<usize, Error> {
    prepare_compiler(fuzz.consent)?;
    let engine = Engine::build()?;
    let keeper = Arc::new(Keeper::start()?);
    let logs = fresh_logs("fuzz")?;
    // Sockets and other files of the targets: an engine that is ended leaves them.
    let scratch = env::temp_dir().join(format!("ivring-fuzz-{}", process::id()));
    fs::create_dir_all(&scratch).map_err(Error::io(format!("cannot make {}", scratch.display())))?;
    keeper.remove(&scratch)?;
    let jobs = fuzz.jobs.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let mut waiting = FuzzTarget::each(&fuzz.targets).into_iter();
    let (mut hunts, mut findings, mut told): (Vec<Hunt>, _, _) = (Vec::new(), 0, Instant::now());
    loop {
        while hunts.len() < jobs
            && let Some(target) = waiting.next()
        {
            hunts.push(Hunt::start(&engine, target, fuzz.time, &logs, &scratch, &keeper)?);
        }
        if hunts.is_empty() {
            return Ok(findings);
        }
        thread::sleep(LOOK);
        let mut running = Vec::new();
        for mut hunt in hunts {
            if hunt.runs()? {
                running.push(hunt);
            } else {
                findings += hunt.report()?;
            }
        }
        hunts = running;
        if told.elapsed() >= TELL {
            told = Instant::now();
            hunts.iter().for_each(|hunt| eprintln!("{hunt}"));
        }
    }
}

/// Runs one input of one target, and says whether all held. What did not is told on standard error.
///
/// # Errors
///
/// [`Error::Input`] if there is not one target, or the file cannot be read; [`Error::Failed`] if the target does not build.
pub fn run_input(targets: &[FuzzTarget], file: &Path) -> Result<bool, Error> {
    let [target] = FuzzTarget::each(targets)[..] else {
        return Err(Error::Input("--input goes with one target: the one that it is for".to_owned()));
    };
    let file =
        fs::canonicalize(file).map_err(|e| Error::Input(format!("--input: {}: {e}", file.display())))?;
    engine::run_input(target, &file)
}
