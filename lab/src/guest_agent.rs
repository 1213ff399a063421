//! QEMU's guest agent in a guest of the lab: the program, its libraries, and the modules of its serial port.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::initramfs::GuestFile;
use crate::packages::{Consent, prepare_guest_agent};
use crate::{Error, modules};

/// The files that a guest with `kernel` needs for it.
///
/// # Errors
///
/// [`Error::Refused`] if the agent's package or a library is missing and may not be had, or if the kernel is one without
/// its modules; else as [`prepare`](crate::prepare).
pub(crate) fn guest_agent(kernel: &Path, consent: Consent) -> Result<Vec<GuestFile>, Error> {
    let program = prepare_guest_agent(consent)?;
    let mut files = libraries(&program)?;
    files.push(GuestFile { path: "bin/qemu-ga".to_owned(), source: program });
    files.extend(modules::serial(kernel)?);
    Ok(files)
}

/// The shared libraries of a program and their loader, by paths that are the same in the guest.
fn libraries(program: &Path) -> Result<Vec<GuestFile>, Error> {
    let output = Command::new("ldd").arg(program).output().map_err(Error::io("cannot start ldd"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(Error::Refused(format!("{}: {}", program.display(), missing.trim())));
    }
    let paths = text.split_whitespace().filter_map(|word| Some((word, word.strip_prefix('/')?)));
    Ok(paths.map(|(word, path)| GuestFile { source: PathBuf::from(word), path: path.to_owned() }).collect())
}
