//! The remedy where AppArmor confines QEMU, and libvirt is too old to let it open the region by itself.

use std::fs;
use std::path::Path;

use super::Root;
use super::install::{InstallError, Installed, text_of, write};
use super::libvirt_host::Version;
use crate::Shmem;

/// What an administrator adds to the profiles of all QEMUs of libvirt.
pub(super) const FILE: &str = "/etc/apparmor.d/local/abstractions/libvirt-qemu";
/// What is common to those profiles; libvirt uses AppArmor where it is there.
const ABSTRACTION: &str = "/etc/apparmor.d/abstractions/libvirt-qemu";
/// Since this version libvirt writes the region of a domain into its profile (NEWS of libvirt 5.10.0).
pub(super) const WRITES_RULES: Version = Version(5, 10, 0);

/// Whether AppArmor confines the QEMUs of libvirt.
pub(super) fn confines(root: &Root) -> bool {
    root.text("/sys/module/apparmor/parameters/enabled").starts_with('Y') && root.has(ABSTRACTION)
}

/// The line that lets every QEMU of libvirt open a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppArmorRule {
    path: String,
}

impl AppArmorRule {
    /// The file that has it.
    pub const FILE: &str = FILE;

    /// The line for `region`.
    #[must_use]
    pub fn new(region: &Shmem) -> Self {
        Self { path: region.path() }
    }

    /// The line for the regions of the domains, which are called by the name of `base`, `-` and a UUID.
    #[must_use]
    pub fn of_domains(base: &Shmem) -> Self {
        Self { path: format!("{}-*", base.path()) }
    }

    /// The line.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} rw,", self.path)
    }

    /// Whether the file has a line that lets QEMU do so.
    pub(super) fn is_there(&self, root: &Root) -> bool {
        root.text(FILE).lines().any(|line| self.is_given_by(line))
    }

    /// Whether `line` allows it, by the name itself or by one with `*` at its end, as of [`Self::of_domains`].
    fn is_given_by(&self, line: &str) -> bool {
        let mut words = line.trim().trim_end_matches(',').split_whitespace();
        let (Some(path), Some(rights)) = (words.next(), words.next()) else { return false };
        let path = path.trim_matches('"');
        let named = match path.strip_suffix('*') {
            Some(beginning) => self.path.strip_prefix(beginning).is_some_and(|rest| !rest.contains('/')),
            None => path == self.path,
        };
        named && ['r', 'w'].iter().all(|&right| rights.contains(right))
    }

    /// Adds the line to [`Self::FILE`] unless one there does already, and changes no other byte. A domain that starts after
    /// this has it in its profile.
    ///
    /// # Errors
    ///
    /// [`InstallError::Io`]; nothing has changed then.
    pub fn install(&self, root: &Root) -> Result<Installed, InstallError> {
        if !confines(root) {
            return Ok(Installed::NotNeeded);
        }
        let mut text = text_of(root, FILE)?.unwrap_or_default();
        if text.lines().any(|line| self.is_given_by(line)) {
            return Ok(Installed::Already);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += &format!("{}\n", self.text());
        if let Some(folder) = Path::new(FILE).parent().and_then(Path::to_str) {
            fs::create_dir_all(root.path(folder)).map_err(InstallError::at(folder))?;
        }
        write(root, FILE, &text)?;
        Ok(Installed::Now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    #[test]
    fn a_rule_is_there_by_name_or_by_pattern() {
        let region = |name| Shmem::new(name, Size::SMALLEST).unwrap();
        let shared = AppArmorRule::new(&region("fg_i3"));
        for line in ["/dev/shm/fg_i3 rw,", "  /dev/shm/fg_i3* rwk,", "\"/dev/shm/fg_i3\" wr,"] {
            assert!(shared.is_given_by(line), "{line}");
        }
        for line in [
            "# /dev/shm/fg_i3 rw,",
            "/dev/shm/fg_i3 r,",
            "/dev/shm/fg_i3-* rw,",
            "/dev/shm/fg_i3x rw,",
            "",
            "/dev/shm/fg_i3",
        ] {
            assert!(!shared.is_given_by(line), "{line}");
        }
        let own = AppArmorRule::of_domains(&region("fg_i3"));
        assert_eq!(own.text(), "/dev/shm/fg_i3-* rw,");
        assert!(own.is_given_by("/dev/shm/fg_i3-* rw,") && own.is_given_by("/dev/shm/fg_i3* rw,"));
        assert!(!own.is_given_by("/dev/shm/fg_i3 rw,"));
        assert!(AppArmorRule::new(&region("fg_i3-0f")).is_given_by(&own.text()));
    }
}
