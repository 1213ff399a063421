//! The project's own programs, built for the demo and the end-to-end tests.
//!
//! A test of this package gets no path of another package's program from cargo, and must not run one that is out of
//! date. So the lab builds what it runs.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::Error;
use crate::cargo::{cargo, into_folder, with_flags};

/// The target that makes the agent's flags apply to the agent and not to the macros it is built with.
const AGENT_TARGET: &str = "x86_64-unknown-linux-gnu";
/// The folder of these builds among the lab's.
const FOLDER: &str = "programs";

/// Paths of the built programs.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// The daemon.
    pub ivringd: PathBuf,
    /// The operator's command.
    pub ivring: PathBuf,
    /// The guest's agent, statically linked.
    pub agent: PathBuf,
}

impl Artifacts {
    /// Builds the programs, or finds them up to date. Cargo reports its progress on standard error.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if one does not compile.
    pub fn build() -> Result<Self, Error> {
        let host = build(&["-p", "ivring-host", "--bins", "--release"], &[])?;
        Ok(Self {
            ivringd: find(&host, "ivringd")?,
            ivring: find(&host, "ivring")?,
            agent: build_static("ivring-guest", "--bin", "ivring-agent")?,
        })
    }
}

/// Builds `ivring-vm-config`, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_vm_config() -> Result<PathBuf, Error> {
    find(&build(&["-p", "ivring-vm-config", "--bins", "--release"], &[])?, "ivring-vm-config")
}

/// Builds `ivring-witness`, statically linked, for guests, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_witness() -> Result<PathBuf, Error> {
    build_static("ivring-lab", "--bin", "ivring-witness")
}

/// Builds `ivring-flood`, statically linked, for guests, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_flood() -> Result<PathBuf, Error> {
    build_static("ivring-lab", "--bin", "ivring-flood")
}

/// Builds `ivring-scribbler`, statically linked, for guests, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_scribbler() -> Result<PathBuf, Error> {
    build_static("ivring-lab", "--bin", "ivring-scribbler")
}

/// Builds the example `load` of the guest's library, statically linked, for guests, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_load_example() -> Result<PathBuf, Error> {
    build_static("ivring-guest", "--example", "load")
}

/// Builds the example `table` of the host's library, or finds it up to date.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_table_example() -> Result<PathBuf, Error> {
    find(&build(&["-p", "ivring-host", "--example", "table", "--release"], &[])?, "table")
}

/// Builds `ivring-compare-guest`, statically linked, for guests, or finds it up to date: for speed, or as the
/// other programs for guests, whose parts are built already.
///
/// # Errors
///
/// [`Error::Failed`] if it does not compile.
pub fn build_compare_guest(optimised: bool) -> Result<PathBuf, Error> {
    let profile = if optimised { "release" } else { "agent" };
    build_static_for(profile, "ivring-benches", "--bin", "ivring-compare-guest")
}

fn build_static(package: &str, kind: &str, program: &str) -> Result<PathBuf, Error> {
    build_static_for("agent", package, kind, program)
}

fn build_static_for(profile: &str, package: &str, kind: &str, program: &str) -> Result<PathBuf, Error> {
    let arguments = ["-p", package, kind, program, "--profile", profile, "--target", AGENT_TARGET];
    find(&build(&arguments, &["-Ctarget-feature=+crt-static"])?, program)
}

fn build(arguments: &[&str], flags: &[&str]) -> Result<Vec<PathBuf>, Error> {
    build_in(FOLDER, arguments, flags)
}

/// Builds in a folder among the lab's, and returns the paths of the programs.
pub(crate) fn build_in(folder: &str, arguments: &[&str], flags: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let mut command = cargo(&["build", "--message-format=json-render-diagnostics"]);
    with_flags(&mut command, flags);
    into_folder(&mut command, folder);
    let output =
        command.args(arguments).stderr(Stdio::inherit()).output().map_err(Error::io("cannot start cargo"))?;
    if !output.status.success() {
        return Err(Error::Failed(format!(
            "cargo build {} did not succeed ({})",
            arguments.join(" "),
            output.status
        )));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect())
}

/// The program of this name among those that were built.
pub(crate) fn find(built: &[PathBuf], name: &str) -> Result<PathBuf, Error> {
    built
        .iter()
        .find(|path| path.file_name().is_some_and(|file| file == name))
        .cloned()
        .ok_or_else(|| Error::Failed(format!("cargo built no program {name}")))
}
