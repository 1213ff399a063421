//! What a test with real guests says where there can be none.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::{Consent, Error, Tools, prepare, prepare_ansible, prepare_disks, prepare_libvirt};

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
    or_skip(test, prepare(None, consent()))
}

/// As [`tools_or_skip`], for a test that runs a libvirt of its own.
///
/// # Panics
///
/// As [`tools_or_skip`].
#[must_use]
pub fn libvirt_or_skip(test: &str) -> Option<()> {
    or_skip(test, prepare_libvirt(consent()))
}

/// As [`tools_or_skip`], for a test that runs Ansible.
///
/// # Panics
///
/// As [`tools_or_skip`].
#[must_use]
pub fn ansible_or_skip(test: &str) -> Option<()> {
    or_skip(test, prepare_ansible(consent()))
}

/// As [`tools_or_skip`], for a test whose guests have disks: `qemu-img`.
///
/// # Panics
///
/// As [`tools_or_skip`].
#[must_use]
pub fn disks_or_skip(test: &str) -> Option<PathBuf> {
    or_skip(test, prepare_disks(consent()))
}

fn consent() -> Consent {
    Consent::new(false).without_asking()
}

/// What was found, or `None` after the line that says why the test is skipped; for whatever else a test may lack.
///
/// # Panics
///
/// As [`tools_or_skip`].
#[must_use]
pub fn or_skip<T>(test: &str, found: Result<T, Error>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(Error::Refused(reason)) if env::var_os("CI").is_none() => {
            // There is nobody left to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
            None
        }
        Err(error) => panic!("{test} cannot run: {error}"),
    }
}
