//! The device behind a guest's vsock: a program of its own, as the kernel's needs KVM hosts that have loaded it.

use std::path::PathBuf;
use std::process::Stdio;

use crate::Error;
use crate::cargo::{cargo, folder};

/// A published program, Apache-2.0 or BSD-3-Clause: it is built from its sources, with the versions it was released with.
const PROGRAM: &str = "vhost-device-vsock";
const VERSION: &str = "0.3.0";

/// Finds the program, or builds and installs it into the lab's folder, which takes two minutes and the network once.
///
/// # Errors
///
/// [`Error::Refused`] if it cannot be had, [`Error::Io`] if cargo does not start.
pub fn prepare_vhost_vsock() -> Result<PathBuf, Error> {
    let root = folder(PROGRAM).join(VERSION);
    let program = root.join("bin").join(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("building {PROGRAM} {VERSION}, once");
    let status = cargo(&["install", PROGRAM, "--version", VERSION, "--locked", "--root"])
        .arg(&root)
        .arg("--target-dir")
        .arg(folder(PROGRAM).join("build"))
        .stdout(Stdio::null())
        .status()
        .map_err(Error::io("cannot start cargo"))?;
    if status.success() && program.is_file() {
        return Ok(program);
    }
    Err(Error::Refused(format!(
        "{PROGRAM} {VERSION} cannot be built ({status}); does cargo reach a registry?"
    )))
}
