//! What a test with real guests says where there can be none.

use std::env;
use std::io::{self, Write as _};

use crate::{Consent, Error, Tools, prepare};

/// The programs for a test, or `None` after a line that says why it is skipped.
///
/// The line starts with `SKIPPED` and goes past the test harness, which would hold back what a passing test prints.
/// The verification counts it.
///
/// # Panics
///
/// Where a test may not be skipped, because `CI` is set, and if an installation fails.
#[must_use]
pub fn tools_or_skip(test: &str) -> Option<Tools> {
    match prepare(None, Consent::new(false).without_asking()) {
        Ok(tools) => Some(tools),
        Err(Error::Refused(reason)) if env::var_os("CI").is_none() => {
            // There is nobody left to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
            None
        }
        Err(error) => panic!("{test} cannot run: {error}"),
    }
}
