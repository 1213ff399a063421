//! Which process holds the lock on a file, from `/proc/locks`.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use nix::sys::stat::{major, minor};

use super::error::Holder;

/// Looks for the holder of a `flock` on the file. It may have let go by the time the caller reads the answer.
pub(super) fn holder_of(file: &Metadata) -> Holder {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let device = (major(file.dev()), minor(file.dev()));
    Holder { pid: locks.lines().find_map(|line| holder_in(line, device, file.ino())) }
}

/// The holder's process id if `line` tells of a `flock` on that file.
///
/// A line reads `1: FLOCK  ADVISORY  WRITE 708 00:13:52 0 EOF` (proc_locks(5)): pid, then device numbers in hexadecimal
/// and the inode. A waiting process has `->` after the first field; the pid of one outside our namespace is 0 or -1.
fn holder_in(line: &str, device: (u64, u64), inode: u64) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let pid = fields.nth(2)?.parse().ok().filter(|&pid| pid != 0)?;
    let mut place = fields.next()?.split(':');
    let found = (
        u64::from_str_radix(place.next()?, 16).ok()?,
        u64::from_str_radix(place.next()?, 16).ok()?,
        place.next()?.parse::<u64>().ok()?,
    );
    (found == (device.0, device.1, inode)).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::holder_in;

    #[test]
    fn only_a_lock_on_this_very_file_names_its_holder() {
        let line = "3: FLOCK  ADVISORY  WRITE 708 fe:1a:52 0 EOF";
        assert_eq!(holder_in(line, (0xfe, 0x1a), 52), Some(708));
        assert_eq!(holder_in(line, (0xfe, 0x1a), 53), None);
        assert_eq!(holder_in(line, (0, 0x1a), 52), None);
        for line in [
            "3: -> FLOCK  ADVISORY  WRITE 708 fe:1a:52 0 EOF",
            "3: POSIX  ADVISORY  WRITE 708 fe:1a:52 0 EOF",
            "3: FLOCK  ADVISORY  WRITE -1 fe:1a:52 0 EOF",
            "3: FLOCK  ADVISORY  WRITE 0 fe:1a:52 0 EOF",
            "3: FLOCK  ADVISORY  WRITE 708 fe:1a",
            "",
        ] {
            assert_eq!(holder_in(line, (0xfe, 0x1a), 52), None, "{line}");
        }
    }
}
