//! What was put here by an installation: whatever holds its mark.
//!
//! The service's file and the lines in `/etc/inittab` begin with the mark. The program holds it because it holds the text
//! of both. So nothing needs to be noted anywhere, and a file of the same name from elsewhere is never replaced or removed.

use std::fs;
use std::io;
use std::path::Path;

use super::InstallError;
use super::error::file_error;

/// The mark. Never to be changed: it finds what earlier versions have installed.
pub(super) const MARK: &str = r#"# Put here by "ivring-agent install"."#;

/// What is at a place where an installation puts something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A file of an installation, with these contents.
    Ours(Vec<u8>),
    /// Anything else.
    Foreign,
}

/// Looks at the entry at `path` itself: a link is foreign, wherever it leads.
pub(super) fn look(path: &Path) -> Result<Found, InstallError> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(error) => Err(file_error("examine", path)(error)),
        Ok(file) if !file.is_file() => Ok(Found::Foreign),
        Ok(_) => {
            let contents = fs::read(path).map_err(file_error("read", path))?;
            Ok(if is_marked(&contents) { Found::Ours(contents) } else { Found::Foreign })
        }
    }
}

fn is_marked(contents: &[u8]) -> bool {
    contents.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_a_file_with_the_mark_is_ours() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let marked = [b"\x7fELF\0\xff", MARK.as_bytes(), b"\0"].concat();
        fs::write(path("marked"), &marked).unwrap();
        fs::write(path("other"), "ivring-agent install").unwrap();
        symlink("marked", path("link")).unwrap();
        assert_eq!(look(&path("marked")).unwrap(), Found::Ours(marked));
        assert_eq!(look(&path("other")).unwrap(), Found::Foreign);
        assert_eq!(look(&path("link")).unwrap(), Found::Foreign);
        assert_eq!(look(folder.path()).unwrap(), Found::Foreign);
        assert_eq!(look(&path("missing")).unwrap(), Found::Nothing);
        assert_eq!(look(&path("other/below")).unwrap(), Found::Nothing);
    }

    #[test]
    fn what_an_installation_writes_has_the_mark() {
        assert!(super::super::plan::UNIT.starts_with(MARK));
    }
}
