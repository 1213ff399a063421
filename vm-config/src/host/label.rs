//! The SELinux label of a file.

use std::path::Path;

use rustix::fs::lgetxattr;

/// Where labels are kept (xattr(7)).
const ATTRIBUTE: &str = "security.selinux";
/// Longer than any label.
const LONGEST: usize = 512;

/// The label of the file at `path`, which is not followed if it is a link; `None` where it has none.
pub(super) fn label(path: &Path) -> Option<String> {
    let mut bytes = [0_u8; LONGEST];
    let length = lgetxattr(path, ATTRIBUTE, &mut bytes).ok()?;
    let label = String::from_utf8_lossy(bytes.get(..length)?).into_owned();
    Some(label.trim_end_matches('\0').to_owned())
}
