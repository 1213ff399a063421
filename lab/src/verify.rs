//! Everything that is checked before a change is good: `cargo verify`.
//!
//! | module | what it is |
//! | --- | --- |
//! | `bench` | runs one command, its output in a log |
//! | `tally` | counts tests in a log |
//! | `checks` | the checks, in their order |
//! | `no_std` | the protocol crate builds with nothing but `core` |
//! | `mutations` | weakened sources, each of which a test must notice |
//! | `tree` | a copy of the sources |

mod bench;
mod checks;
mod mutations;
mod no_std;
mod tally;
mod tree;

use std::time::Instant;

use crate::{Consent, Error};
use bench::Bench;
pub use tally::Tally;

/// What is run for a check; an error is shown and counts as one failure.
type Run = Box<dyn FnOnce(&Bench) -> Result<Tally, Error>>;

/// One check: its name and what to run for it.
struct Check {
    name: String,
    run: Run,
}

impl Check {
    fn new(name: impl Into<String>, run: impl FnOnce(&Bench) -> Result<Tally, Error> + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Runs all checks, whatever their results, and returns what they came to. Progress and failures go to standard error.
///
/// # Errors
///
/// [`Error::Io`] if the logs cannot be written.
pub fn verify(consent: Consent) -> Result<Tally, Error> {
    run(checks::all(consent))
}

/// Weakens the sources in a copy, one mutation at a time, and checks that the test that is named for it fails.
///
/// # Errors
///
/// [`Error::Io`] if the copy or the logs cannot be written, [`Error::Failed`] if the list of mutations is not valid.
pub fn mutate() -> Result<Tally, Error> {
    run(mutations::all()?)
}

fn run(checks: Vec<Check>) -> Result<Tally, Error> {
    let bench = Bench::new()?;
    let started = Instant::now();
    let (mut total, mut failures) = (Tally::default(), Vec::new());
    let count = checks.len();
    for (number, Check { name, run }) in checks.into_iter().enumerate() {
        eprintln!("[{}/{count}] {name}", number + 1);
        let begun = Instant::now();
        let tally = run(&bench).unwrap_or_else(|error| {
            eprintln!("{error}");
            Tally::FAILED
        });
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("[{}/{count}] {name}: {tally} ({seconds:.1} s)", number + 1);
        if tally.failed > 0 {
            failures.push(name);
        }
        total = total + tally;
    }
    eprintln!("{:.0} s in all", started.elapsed().as_secs_f64());
    if !failures.is_empty() {
        eprintln!("failed: {}", failures.join("; "));
    }
    Ok(total)
}
