//! The daemon as a user without any rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::place::Place;

/// The user "nobody" of most systems.
pub const NOBODY: u32 = 65534;

/// `ivringd` at the place's socket; as root by another user, with a copy of the program that he may run.
pub fn daemon(place: &Place, arguments: &[&str]) -> Command {
    let mut command = if geteuid().is_root() {
        let program = place.directory().join("program");
        if !program.exists() {
            place.copy_of(env!("CARGO_BIN_EXE_ivringd"));
            fs::set_permissions(place.directory(), Permissions::from_mode(0o777)).unwrap();
        }
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
        command
    } else {
        Command::new(env!("CARGO_BIN_EXE_ivringd"))
    };
    command.arg("--socket").arg(place.socket()).args(["--config", "/dev/null"]).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Gives a file to the user who runs the daemon.
pub fn give(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Runs the daemon where it is to fail; its exit code and what it says.
pub fn fails(place: &Place, arguments: &[&str]) -> (i32, String) {
    let output = daemon(place, arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
