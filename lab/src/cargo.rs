//! Cargo as the lab calls it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// A cargo command in the workspace, with the compiler flags of the caller's environment taken away.
///
/// Each kind of build that needs other flags goes to a target directory of its own, else each would undo the other.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .current_dir(workspace::root())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TERM_COLOR", "never");
    command
}

/// Sets the compiler's flags, which may hold spaces.
pub(crate) fn with_flags(command: &mut Command, flags: &[&str]) {
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
}

/// Sends the build to the folder `name` among the lab's.
pub(crate) fn into_folder(command: &mut Command, name: &str) {
    command.env("CARGO_TARGET_DIR", folder(name));
}

/// The folder `name` among the lab's.
pub(crate) fn folder(name: impl AsRef<Path>) -> PathBuf {
    workspace::target_directory().join("lab").join(name)
}
