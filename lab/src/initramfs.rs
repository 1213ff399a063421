//! The guest's file system: a cpio archive in the `newc` format that the kernel unpacks into memory.
//!
//! The format is described in the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`: for each entry a
//! header of 13 hexadecimal fields, the name and the contents, the last two padded to 4 bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The applets of busybox that the guest's shell and the tests call by name.
const APPLETS: &[&str] = &[
    "cat", "chmod", "dd", "devmem", "dmesg", "echo", "grep", "head", "hostname", "id", "init", "insmod",
    "kill", "killall", "ls", "mkdir", "mount", "pidof", "poweroff", "ps", "reboot", "rm", "sed", "seq", "sh",
    "sleep", "stat", "stty", "tail", "timeout", "touch", "tr", "uname", "uptime", "wc",
];

/// A file of the machine that a guest gets.
#[derive(Debug, Clone)]
pub(crate) struct GuestFile {
    /// What it is made of.
    pub(crate) source: PathBuf,
    /// Its path in the guest, without the first `/`.
    pub(crate) path: String,
}

/// Builds the file system of a guest: busybox, the init script, `programs` in `/bin` by their own names, and `files`.
///
/// # Errors
///
/// [`Error::Io`] if one of the programs cannot be read.
pub fn build(busybox: &Path, programs: &[&Path], files: &[GuestFile]) -> Result<Vec<u8>, Error> {
    let read = |path: &Path| fs::read(path).map_err(Error::io(format!("cannot read {}", path.display())));
    let mut archive = Archive::default();
    let mut fill = || -> Result<(), Error> {
        for directory in ["bin", "dev", "proc", "run", "sys", "tmp"] {
            archive.entry(directory, DIRECTORY, Device::NONE, &[])?;
        }
        archive.entry("dev/console", CHARACTER_DEVICE, Device { major: 5, minor: 1 }, &[])?;
        archive.entry("bin/busybox", FILE, Device::NONE, &read(busybox)?)?;
        for applet in APPLETS {
            archive.entry(&format!("bin/{applet}"), LINK, Device::NONE, b"busybox")?;
        }
        archive.entry("init", FILE, Device::NONE, include_bytes!("init.sh"))?;
        for program in programs {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            archive.entry(&format!("bin/{name}"), FILE, Device::NONE, &read(program)?)?;
        }
        let mut made: Vec<String> = Vec::new();
        for GuestFile { source, path } in files {
            for (end, _) in path.match_indices('/') {
                if !made.iter().any(|directory| *directory == path[..end]) {
                    archive.entry(&path[..end], DIRECTORY, Device::NONE, &[])?;
                    made.push(path[..end].to_owned());
                }
            }
            archive.entry(path, FILE, Device::NONE, &read(source)?)?;
        }
        archive.entry("TRAILER!!!", 0, Device::NONE, &[])
    };
    fill()?;
    Ok(archive.bytes)
}

struct Device {
    major: u32,
    minor: u32,
}

impl Device {
    const NONE: Self = Self { major: 0, minor: 0 };
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, device: Device, contents: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(contents.len()).map_err(|_| {
            Error::io(format!("{name} does not fit into an initramfs"))(io::ErrorKind::FileTooLarge.into())
        })?;
        let name_length = u32::try_from(name.len() + 1).expect("names here are short");
        self.entries += 1;
        let Device { major, minor } = device;
        // inode, mode, uid, gid, links, time, size, device (2), the device it is (2), length of the name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, length, 0, 0, major, minor, name_length, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_contents_each_padded() {
        let mut archive = Archive::default();
        archive.entry("ab", FILE, Device::NONE, b"hello").unwrap();
        let header = "070701\
            00000001000081ed00000000000000000000000100000000\
            00000005000000000000000000000000000000000000000300000000";
        assert_eq!(
            archive.bytes,
            [header.as_bytes(), b"ab\0\0\0\0", b"hello\0\0\0"].concat()[..archive.bytes.len()]
        );
        assert_eq!(archive.bytes.len() % 4, 0);
        assert_eq!(archive.bytes.len(), 110 + 3 + 3 + 5 + 3);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = build(Path::new("/bin/sh"), &[Path::new("/no/such/agent")], &[]).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /no/such/agent"), "{error}");
    }
}
