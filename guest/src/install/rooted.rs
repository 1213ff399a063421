//! Paths below another root: a link in a mounted image means the image's files, never this machine's.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

/// As many links as the kernel follows in one path, path_resolution(7).
const MOST_LINKS: u32 = 40;

/// Where `path`, as a process sees it whose root is `root`, is for this one. Follows all links, also the last; parts that
/// aren't there stay as they are. The root is taken to hold still meanwhile.
///
/// # Errors
///
/// `ELOOP` for links in a circle.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut at = PathBuf::new();
    let mut links = 0;
    let mut rest = parts(path);
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        at.push(part);
        let Ok(target) = fs::read_link(root.join(&at)) else { continue };
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        at.pop();
        if target.is_absolute() {
            at.clear();
        }
        rest.extend(parts(&target));
    }
    Ok(root.join(at))
}

/// As [`resolve`], but without following the last part: the entry itself, which may be a link.
pub(super) fn entry(root: &Path, path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok(resolve(root, directory)?.join(name)),
        _ => resolve(root, path),
    }
}

/// The names in a path and its `..`, last first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    parts
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn links_stay_below_the_root() {
        let root = TempDir::new().unwrap();
        let link = |target: &str, path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        };
        link("/var/local", "usr/local");
        link("../../../../etc", "var/local/deep");
        link("busybox", "bin/init");
        link("/bin/init", "sbin/init");
        link("b", "a");
        link("a", "b");
        for (path, found, entry_found) in [
            ("/usr/local/bin/x", "var/local/bin/x", "var/local/bin/x"),
            ("usr/local/deep/y", "etc/y", "etc/y"),
            ("/sbin/init", "bin/busybox", "sbin/init"),
            ("/../../not/there", "not/there", "not/there"),
            ("/usr/local", "var/local", "usr/local"),
            ("/", "", ""),
        ] {
            assert_eq!(resolve(root.path(), Path::new(path)).unwrap(), root.path().join(found), "{path}");
            assert_eq!(entry(root.path(), Path::new(path)).unwrap(), root.path().join(entry_found), "{path}");
        }
        let error = resolve(root.path(), Path::new("a/x")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ELOOP));
    }
}
