//! Why a region's file was refused, and how it can be lost later.

use std::io;
use std::path::PathBuf;

use ivring_proto::control::Code;
use ivring_proto::layout::{Geometry, MAGIC};

/// Why a region's file cannot be used. Nothing was changed, unless a variant says so.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// There is no such file (read-only opening; otherwise it would have been made).
    #[error("there is no region {path}: start ivringd, or name another one", path = .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A directory, a symbolic link, a device: anything but a regular file.
    #[error("{path} is {kind}, not a regular file: remove it or choose another --region", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// The process may not open or make it.
    #[error(
        "no permission to {action} {path} as user {uid} ({mode}): run as root or join the file's group",
        path = .path.display()
    )]
    Permission {
        /// The path.
        path: PathBuf,
        /// What was tried: `open` or `create`.
        action: &'static str,
        /// The effective user id.
        uid: u32,
        /// Owner and mode of what stood in the way.
        mode: String,
    },
    /// The size asked for is no size a region can have.
    #[error(
        "region size {size} is not a power of two from {min} to {max} bytes: choose 1M, 2M, 4M, 8M, 16M, ...",
        min = Geometry::MIN_SIZE,
        max = Geometry::MAX_SIZE
    )]
    BadSize {
        /// The size asked for in bytes.
        size: u64,
    },
    /// The file that is there has a size no region can have.
    #[error(
        "{path} has {found} bytes, which is not a power of two from {min} to {max}: it is no region; \
         choose another --region, or remove the file once no VM uses it",
        path = .path.display(),
        min = Geometry::MIN_SIZE,
        max = Geometry::MAX_SIZE
    )]
    UnusableSize {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
    },
    /// The file that is there has another size than asked for.
    #[error(
        "{path} has {found} bytes and --size asks for {wanted}: leave --size out, or stop its VMs and give --reformat once",
        path = .path.display()
    )]
    OtherSize {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The size asked for in bytes.
        wanted: u64,
    },
    /// Somebody else's data.
    #[error(
        "{path} is not an ivring region: magic {magic:#018x} instead of {MAGIC:#018x}; choose another --region",
        path = .path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first eight bytes as a little-endian number.
        magic: u64,
    },
    /// It begins with zeros but is not empty, so formatting it would destroy something.
    #[error(
        "{path} is not an ivring region: it begins with zeros but holds data at offset {at:#x}; choose another --region",
        path = .path.display()
    )]
    NotZero {
        /// The file.
        path: PathBuf,
        /// A block that is not zero begins here.
        at: u64,
    },
    /// Another process holds the lock.
    #[error("{path} is in use by {holder}: stop that one first, or choose another --region", path = .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// The file system has no room for the whole region. A file that was there before is as it was.
    #[error(
        "no room for {size} bytes of {path}: its file system has {free} bytes free; \
         remove something there, enlarge it (mount -o remount,size=...) or choose a smaller --size",
        path = .path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The region's size in bytes.
        size: u64,
        /// Bytes free when it was tried.
        free: u64,
    },
    /// The file system cannot do what a region needs of it.
    #[error("the file system of {path} cannot {what}: put the region on a tmpfs such as /dev/shm", path = .path.display())]
    FileSystem {
        /// The file.
        path: PathBuf,
        /// What it cannot do.
        what: &'static str,
    },
    /// The file was replaced again and again while it was being opened.
    #[error("{path} is being replaced by another program; try again", path = .path.display())]
    Unsettled {
        /// The path.
        path: PathBuf,
    },
    /// Anything else the system reports.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl RegionError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        match self {
            RegionError::Missing { .. } => Code::Negative,
            RegionError::OtherSize { .. } | RegionError::Locked { .. } | RegionError::FileSystem { .. } => {
                Code::Refused
            }
            RegionError::NotAFile { .. }
            | RegionError::BadSize { .. }
            | RegionError::UnusableSize { .. }
            | RegionError::Magic { .. }
            | RegionError::NotZero { .. } => Code::BadInput,
            RegionError::Permission { .. }
            | RegionError::Full { .. }
            | RegionError::Unsettled { .. }
            | RegionError::Io { .. } => Code::Failure,
        }
    }
}

/// Who holds a region's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The process, where the kernel tells.
    pub pid: Option<u32>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// How a region in use was taken away. What is mapped is then no longer what a VM that starts now would see.
#[derive(Debug, thiserror::Error)]
pub enum RegionLost {
    /// The name is gone.
    #[error("{path} was removed while in use: the VMs that run still have the old memory; power them off and on", path = .path.display())]
    Removed {
        /// The path.
        path: PathBuf,
    },
    /// The name leads to another file.
    #[error(
        "{path} was replaced while in use: the VMs that run still have the old memory; power them off and on",
        path = .path.display()
    )]
    Replaced {
        /// The path.
        path: PathBuf,
    },
    /// The size changed; past a smaller end every access is fatal.
    #[error(
        "{path} had {was} bytes and now has {is}: stop its VMs, and give it its size back or remove it",
        path = .path.display()
    )]
    Resized {
        /// The path.
        path: PathBuf,
        /// Size when it was opened, in bytes.
        was: u64,
        /// Size now, in bytes.
        is: u64,
    },
    /// A page was not there when it was accessed, and the file has its size.
    #[error(
        "{path} had no page at offset {at:#x}: it was truncated for a moment, or has a hole and its file system is full; \
         make room there",
        path = .path.display()
    )]
    NoPage {
        /// The path.
        path: PathBuf,
        /// Offset of the first access that failed, in bytes.
        at: u64,
    },
    /// The system would not say.
    #[error("cannot look at {path}: {source}", path = .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RegionLost {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        Code::Failure
    }
}
