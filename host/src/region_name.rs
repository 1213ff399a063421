//! What an operator may write for a region: a name under `/dev/shm`, or a path.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ivring_proto::control::Code;
use ivring_proto::session::Uuid;

/// Where POSIX shared memory lives on Linux (shm_overview(7)).
const SHM: &str = "/dev/shm";

/// The text names no region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no region name: write a file name under {SHM} such as fg_i3, or a path with a slash")]
pub struct RegionNameError {
    name: String,
}

impl RegionNameError {
    /// The exit code that belongs to it.
    pub fn code(&self) -> Code {
        Code::BadInput
    }
}

/// The path of a region: text with a slash is a path as it is, anything else a name under `/dev/shm`.
///
/// # Errors
///
/// When the text is empty, contains a zero byte or does not end in a file's name.
pub fn region_path(region: &str) -> Result<PathBuf, RegionNameError> {
    let path = if region.contains('/') { PathBuf::from(region) } else { Path::new(SHM).join(region) };
    // `file_name` alone would drop a trailing slash: `dir/` would become the file `dir`.
    let names_a_file = path.file_name().is_some() && !region.ends_with('/') && !region.ends_with("/.");
    if region.is_empty() || region == "." || region.contains('\0') || !names_a_file {
        return Err(RegionNameError { name: region.to_owned() });
    }
    Ok(path)
}

/// The only VM that may join the region at `path`: a file name that ends in `-<uuid>` says so.
pub fn region_owner(path: &Path) -> Option<Uuid> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let start = name.len().checked_sub(36)?;
    let (prefix, uuid) = (name.get(..start)?, name.get(start..)?);
    // Something must stand before the dash, or the dash is missing and this is a name of its own.
    if prefix.len() < 2 || !prefix.ends_with('-') {
        return None;
    }
    uuid.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_under_dev_shm_and_paths_stay() {
        assert_eq!(region_path("fg_i3").unwrap(), Path::new("/dev/shm/fg_i3"));
        assert_eq!(region_path("./here").unwrap(), Path::new("./here"));
        assert_eq!(region_path("/mnt/x").unwrap(), Path::new("/mnt/x"));
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for name in ["", ".", "..", "/", "dir/", "dir/.", "dir/..", "a\0b"] {
            assert!(region_path(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_owner_is_the_uuid_at_the_end() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!(region_owner(Path::new(&format!("/dev/shm/fg_i3-{text}"))), Some(uuid));
        assert_eq!(region_owner(Path::new(&format!("a-b-{}", text.to_uppercase()))), Some(uuid));
        for name in [
            "fg_i3".to_owned(),
            text.to_owned(),
            format!("-{text}"),
            format!("fg_i3{text}"),
            format!("fg-{text}x"),
        ] {
            assert_eq!(region_owner(Path::new(&name)), None, "{name}");
        }
        assert_eq!(region_owner(Path::new("/")), None);
        assert_eq!(
            region_owner(Path::new(
                "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}x"
            )),
            None
        );
    }
}
