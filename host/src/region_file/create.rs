//! Making a region's file, whole or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, OFlag, fallocate};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{Gid, fchown, linkat};

use super::error::RegionError;
use super::{io_error, lock, permission_error};

/// Owner and group may map it, nobody else.
const MODE: u32 = 0o660;
/// The group QEMU runs in where a distribution has one.
const GROUP: &str = "kvm";

/// Makes a file of `size` zero bytes at `path`, allocated and locked before anybody else can see it.
///
/// `None` when a file is there by now. The file is made without a name (open(2), O_TMPFILE) and linked at the end,
/// which fails if the name is taken: nobody ever finds a half-made region, and a failure or a kill leaves nothing.
pub(super) fn create(path: &Path, size: u64) -> Result<Option<File>, RegionError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(directory);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            return Err(match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => {
                    permission_error(path, "create", directory)
                }
                Some(Errno::EOPNOTSUPP) => {
                    RegionError::FileSystem { path: path.to_owned(), what: "make files without a name" }
                }
                _ => io_error(path, "create", error),
            });
        }
    };
    lock(&file, path)?;
    give_to_group(&file, path);
    // After the open, which the umask would have narrowed.
    file.set_permissions(Permissions::from_mode(MODE))
        .map_err(|error| io_error(path, "set the mode of", error))?;
    allocate(&file, path, size)?;
    // The unprivileged way to name such a file, from open(2).
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(AT_FDCWD, nameless.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::EEXIST) => Ok(None),
        Err(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Err(permission_error(path, "create", directory)),
        Err(error) => Err(io_error(path, "create", error.into())),
    }
}

/// Allocates every page of the region, extending the file if it is shorter: a hole in a full tmpfs would be SIGBUS at
/// the first access.
///
/// This is fallocate(2) itself and not posix_fallocate(3), whose emulation writes zeros that it may write over a VM's
/// bytes.
pub(super) fn allocate(file: &File, path: &Path, size: u64) -> Result<(), RegionError> {
    let length = i64::try_from(size).map_err(|_| RegionError::BadSize { size })?;
    let full = || RegionError::Full { path: path.to_owned(), size, free: free(file).unwrap_or(0) };
    // Asked first: to try takes all the room that there is for a moment, and whoever may write to the file chooses its size.
    let there =
        file.metadata().map_err(|error| io_error(path, "look at", error))?.blocks().saturating_mul(512);
    if free(file).is_some_and(|free| size.saturating_sub(there) > free) {
        return Err(full());
    }
    loop {
        return match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(Errno::EINTR) => continue,
            Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => Err(full()),
            Err(Errno::EOPNOTSUPP) => {
                Err(RegionError::FileSystem { path: path.to_owned(), what: "allocate a file's blocks ahead" })
            }
            Err(error) => Err(io_error(path, "allocate", error.into())),
        };
    }
}

/// Bytes free in the file's file system; `None` where it does not tell, such as a tmpfs without a limit.
fn free(file: &File) -> Option<u64> {
    let fs = fstatvfs(file).ok().filter(|fs| fs.blocks() > 0)?;
    Some(fs.blocks_free().saturating_mul(fs.fragment_size()))
}

/// Gives the file to the group of the VMs where there is one and we may; else QEMU needs another way in.
fn give_to_group(file: &File, path: &Path) {
    // The file itself, not the C library's lookup: that loads modules, which a static program crashes in.
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let Some(group) = group_id(&groups, GROUP) else { return };
    if let Err(error) = fchown(file, None, Some(group)) {
        tracing::warn!(path = %path.display(), %error, "not given to the group {GROUP}: VMs of other users cannot open it");
    }
}

/// The number of a group in the text of group(5).
fn group_id(groups: &str, name: &str) -> Option<Gid> {
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok().map(Gid::from_raw)
}

/// Says so when more than owner and group may write to a region that was there before.
pub(super) fn warn_if_open_to_all(file: &File, path: &Path) {
    let Ok(metadata) = file.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o002 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{mode:04o}"), "every user of this host may write to it: chmod o-rwx");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nkvm-old:x:5:\nkvm:x:104:libvirt-qemu\nbroken\n";
        assert_eq!(group_id(groups, "kvm"), Some(Gid::from_raw(104)));
        assert_eq!(group_id(groups, "kv"), None);
        assert_eq!(group_id(groups, "broken"), None);
    }
}
