//! The checks of a region's file itself: what it is, how large, and who may open it.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::bytes::amount;
use super::opener::{Access, Openers};
use super::{CheckLine, Root};
use crate::{Shmem, Size};

const FILE: &str = "region-file";
const SIZE: &str = "region-size";
const MODE: &str = "region-mode";
const QEMU: &str = "region-qemu";
const DAEMON: &str = "region-daemon";

/// What stands in the place of a region.
#[derive(Debug)]
pub(super) struct RegionFile {
    /// The path that QEMU has.
    pub(super) path: String,
    /// Where that is here.
    pub(super) place: PathBuf,
    /// What is there.
    pub(super) found: Found,
    name: String,
}

/// What was found there.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// A file.
    Regular(Regular),
    /// Something else, which is to go: what it is, and the command for that.
    Other { what: String, next: String },
    /// It cannot be told.
    Unreadable(io::Error),
}

/// A plain file.
#[derive(Debug)]
pub(super) struct Regular {
    /// Its length in bytes.
    pub(super) length: u64,
    /// Bytes of it that have memory.
    pub(super) allocated: u64,
    access: Access,
}

impl RegionFile {
    /// Looks at the file of `region`, and follows no link.
    pub(super) fn look(root: &Root, region: &Shmem) -> Self {
        let path = region.path();
        let place = root.path(&path);
        let found = match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_file() => Found::Regular(Regular {
                length: metadata.len(),
                allocated: metadata.blocks().saturating_mul(512),
                access: Access::of(&metadata),
            }),
            Ok(metadata) => other(&path, &place, metadata.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Missing,
            Err(error) => Found::Unreadable(error),
        };
        Self { path, place, found, name: region.name().to_owned() }
    }

    /// The lines of all the checks of this file.
    pub(super) fn lines(&self, size: Option<Size>, openers: &Openers) -> Vec<CheckLine> {
        let path = &self.path;
        match &self.found {
            Found::Regular(file) => {
                let mut lines = vec![
                    CheckLine::ok(FILE, format!("{path} is a regular file")),
                    self.size_line(file.length, size),
                    self.mode_line(file.access, openers),
                ];
                lines.extend(self.qemu_lines(file.access, openers));
                lines.push(self.daemon_line(file.access, openers));
                lines
            }
            Found::Missing => self.and_nothing_else(
                CheckLine::pending(
                    FILE,
                    format!("{path} is not there yet: ivringd makes it, or QEMU as its own"),
                    format!("ivring-vm-config host tmpfiles --name {} --install", self.name),
                ),
                "there is no file yet",
            ),
            Found::Other { what, next } => self.and_nothing_else(
                CheckLine::failed(FILE, format!("{path} is {what}"), next.clone()),
                "not looked at, because region-file failed",
            ),
            Found::Unreadable(error) => self.and_nothing_else(
                CheckLine::unknown(FILE, format!("{path} cannot be looked at: {error}")),
                "not looked at, because region-file is unknown",
            ),
        }
    }

    fn and_nothing_else(&self, line: CheckLine, why: &str) -> Vec<CheckLine> {
        let rest = [SIZE, MODE, QEMU, DAEMON]
            .map(|check| CheckLine::unknown(check, format!("{}: {why}", self.path)));
        [vec![line], rest.to_vec()].concat()
    }

    fn size_line(&self, length: u64, wanted: Option<Size>) -> CheckLine {
        let path = &self.path;
        if length == 0 {
            return CheckLine::ok(SIZE, format!("{path} is empty: who comes first gives it its size"));
        }
        let has = amount(length);
        let anew = |size: Size| format!("ivringd --reformat --region {} --size {size}", self.name);
        match (Size::from_bytes(length), wanted) {
            (Err(error), _) => CheckLine::failed(
                SIZE,
                format!("{path} has {error}: power its VMs off, remove it and start ivringd"),
                format!("rm {path}"),
            ),
            (Ok(found), Some(wanted)) if found < wanted => CheckLine::failed(
                SIZE,
                format!(
                    "{path} has {has}, less than --size {wanted}: QEMU does not start (backing store size {length:#x} does \
                     not match 'size' option {:#x}); power its VMs off and stop ivringd first",
                    wanted.bytes()
                ),
                anew(wanted),
            ),
            (Ok(found), Some(wanted)) if found > wanted => CheckLine::failed(
                SIZE,
                format!(
                    "{path} has {has}, more than --size {wanted}: QEMU takes it, and its guest sees the first part only; \
                     power its VMs off and stop ivringd first"
                ),
                anew(wanted),
            ),
            (Ok(found), _) => CheckLine::ok(SIZE, format!("{path} has {has}, for devices of --size {found}")),
        }
    }

    fn mode_line(&self, access: Access, openers: &Openers) -> CheckLine {
        let path = &self.path;
        let told = openers.told(access);
        if access.mode & 0o002 != 0 {
            let says = format!("{path} is of {told}: every user of this host may write to it");
            return CheckLine::pending(MODE, says, format!("chmod o-rwx {path}"));
        }
        if !openers.has(access.uid) {
            let says =
                format!("{path} is of {told}, who is neither ivringd nor QEMU, and may cut it under them");
            return CheckLine::pending(MODE, says, openers.remedy(path));
        }
        CheckLine::ok(MODE, format!("{path} is of {told}"))
    }

    fn qemu_lines(&self, access: Access, openers: &Openers) -> Vec<CheckLine> {
        let path = &self.path;
        let of = |user: &Result<_, String>| match user {
            Err(why) => CheckLine::unknown(QEMU, why.clone()),
            Ok(user) if access.lets(user) => {
                CheckLine::ok(QEMU, format!("{} may read and write {path}", openers.described(user)))
            }
            Ok(user) => CheckLine::failed(
                QEMU,
                format!(
                    "{} may not read and write {path} of {}: QEMU does not start (can't open backing store: Permission \
                     denied)",
                    openers.described(user),
                    openers.told(access)
                ),
                openers.remedy(path),
            ),
        };
        openers.qemus().iter().map(of).collect()
    }

    fn daemon_line(&self, access: Access, openers: &Openers) -> CheckLine {
        let path = &self.path;
        match openers.daemon() {
            None => CheckLine::ok(DAEMON, "there is no user ivring, so ivringd runs as root, who may all"),
            Some(user) if access.lets(user) => {
                CheckLine::ok(DAEMON, format!("{} may read and write {path}", openers.described(user)))
            }
            Some(user) => CheckLine::failed(
                DAEMON,
                format!(
                    "{} may not read and write {path} of {}: ivringd.service cannot serve it",
                    openers.described(user),
                    openers.told(access)
                ),
                openers.remedy(path),
            ),
        }
    }
}

fn other(path: &str, place: &Path, kind: FileType) -> Found {
    let (what, next) = if kind.is_symlink() {
        let target = fs::read_link(place).unwrap_or_default().display().to_string();
        let what = if fs::metadata(place).is_ok() {
            format!("a symbolic link to {target}: ivringd follows none")
        } else {
            format!("a symbolic link to {target}, where nothing is: QEMU spins on it and virsh start hangs")
        };
        (what, "rm")
    } else if kind.is_dir() {
        (
            "a directory: where QEMU may write to it, it makes a private file there and shares nothing"
                .to_owned(),
            "rmdir",
        )
    } else if kind.is_fifo() {
        ("a FIFO, not a regular file".to_owned(), "rm")
    } else if kind.is_socket() {
        ("a socket, not a regular file".to_owned(), "rm")
    } else {
        ("a device, not a regular file".to_owned(), "rm")
    };
    Found::Other {
        what: what.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        next: format!("{next} {path}"),
    }
}
