//! Which program starts services on a machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::file_error;
use super::inittab::Dialect;
use super::{InstallError, Machine, rooted};
use crate::small_file;

/// What starts services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Init {
    /// systemd.
    Systemd,
    /// An init that reads `/etc/inittab`.
    Inittab(Dialect),
}

/// Finds out what starts services on `machine`.
pub(super) fn find(machine: &Machine) -> Result<Init, InstallError> {
    match machine {
        Machine::This => running(Path::new("/")),
        Machine::Mounted(root) => installed(root),
    }
}

/// The one that runs. A process that only has its number, as in a container, is no init.
fn running(root: &Path) -> Result<Init, InstallError> {
    // sd_booted(3).
    if root.join("run/systemd/system").is_dir() {
        return Ok(Init::Systemd);
    }
    // Busybox is its shell, too: an initramfs may be a script.
    let name = small_file::read(&root.join("proc/1/comm")).unwrap_or_default();
    if root.join("etc/inittab").is_file() && matches!(name.as_str(), "init" | "linuxrc") {
        let program = fs::read_link(root.join("proc/1/exe"));
        let program = program.map_err(file_error("read", root.join("proc/1/exe")))?;
        return Ok(Init::Inittab(dialect(&program, &root.join("bin/busybox"))));
    }
    Err(InstallError::NoInit {
        looked_for: "/run/systemd/system, and for /etc/inittab with an init that reads it as process 1",
        hint: ", or give --root / to prepare an image from within",
    })
}

/// The one whose files are there.
fn installed(root: &Path) -> Result<Init, InstallError> {
    let find = |path: &str| -> Result<Option<PathBuf>, InstallError> {
        let found = rooted::resolve(root, Path::new(path)).map_err(file_error("follow", root.join(path)))?;
        Ok(Some(found).filter(|found| found.is_file()))
    };
    for program in ["usr/lib/systemd/systemd", "lib/systemd/systemd"] {
        if find(program)?.is_some() {
            return Ok(Init::Systemd);
        }
    }
    if let (Some(_), Some(init)) = (find("etc/inittab")?, find("sbin/init")?) {
        return Ok(Init::Inittab(dialect(&init, &root.join("bin/busybox"))));
    }
    Err(InstallError::NoInit {
        looked_for: "usr/lib/systemd/systemd, lib/systemd/systemd, and etc/inittab with sbin/init",
        hint: "",
    })
}

/// Busybox is one program of many names, by symbolic or by hard links.
fn dialect(init: &Path, busybox: &Path) -> Dialect {
    let same = || {
        let (init, busybox) = (fs::metadata(init).ok()?, fs::metadata(busybox).ok()?);
        Some((init.dev(), init.ino()) == (busybox.dev(), busybox.ino()))
    };
    if init.file_name().is_some_and(|name| name == "busybox") || same() == Some(true) {
        Dialect::Busybox
    } else {
        Dialect::Sysv
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn write(root: &TempDir, file: &str, text: &str) {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_running_one_is_told_by_process_1() {
        for (exe, comm, inittab, expected) in [
            ("/bin/busybox", "init", true, Some(Dialect::Busybox)),
            ("/usr/sbin/init", "init", true, Some(Dialect::Sysv)),
            ("/bin/busybox", "linuxrc", true, Some(Dialect::Busybox)),
            ("/bin/busybox", "sh", true, None),
            ("/sbin/docker-init", "docker-init", true, None),
            ("/sbin/init", "init", false, None),
        ] {
            let root = TempDir::new().unwrap();
            write(&root, "proc/1/comm", &format!("{comm}\n"));
            symlink(exe, root.path().join("proc/1/exe")).unwrap();
            if inittab {
                write(&root, "etc/inittab", "");
            }
            assert_eq!(running(root.path()).ok(), expected.map(Init::Inittab), "{exe} {comm} {inittab}");
            fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
            assert_eq!(running(root.path()).unwrap(), Init::Systemd);
        }
    }

    #[test]
    fn busybox_is_known_by_a_hard_link_too() {
        let root = TempDir::new().unwrap();
        write(&root, "etc/inittab", "");
        write(&root, "bin/busybox", "program");
        write(&root, "sbin/init", "program");
        assert_eq!(installed(root.path()).unwrap(), Init::Inittab(Dialect::Sysv));
        fs::remove_file(root.path().join("sbin/init")).unwrap();
        fs::hard_link(root.path().join("bin/busybox"), root.path().join("sbin/init")).unwrap();
        assert_eq!(installed(root.path()).unwrap(), Init::Inittab(Dialect::Busybox));
    }
}
