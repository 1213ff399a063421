//! The remedy for regions that must be there, of the right owner and mode, before anybody comes: systemd-tmpfiles.

use super::Root;
use super::install::{InstallError, Installed, text_of, write};
use super::opener::Openers;
use crate::Shmem;

/// What the file says before its lines.
const HEAD: &str = "\
# For tmpfiles.d(5): the region, empty, for whoever comes first. ivringd and QEMU both extend it; without this line a
# QEMU that comes first makes it its own, and ivringd.service may not write to it. One line for each region.
# Never f+ or r: a region that virtual machines use must not be emptied or removed.
";

/// The lines for systemd-tmpfiles that make regions, empty, at each boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfiles {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    path: String,
    text: String,
}

impl Tmpfiles {
    /// The file that has them.
    pub const FILE: &str = "/etc/tmpfiles.d/ivringd.conf";
    /// The command by which they take effect at once.
    pub const APPLY: &str = "systemd-tmpfiles --create ivringd.conf";

    /// A line for each of `regions`: of the daemon's account, or root's where it has none, and the group of this host's QEMU.
    #[must_use]
    pub fn of(root: &Root, regions: &[Shmem]) -> Self {
        let openers = Openers::of(root, &[]);
        let line = |region: &Shmem| {
            let path = region.path();
            let text = format!("f {path} 0660 {} {} - -", openers.owner(), openers.group());
            Line { path, text }
        };
        Self { lines: regions.iter().map(line).collect() }
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| format!("{}\n", line.text));
        std::iter::once(HEAD.to_owned()).chain(lines).collect()
    }

    /// Puts the lines that are missing into [`Self::FILE`] and leaves all others there as they are.
    ///
    /// # Errors
    ///
    /// [`InstallError::Differs`] if there is another line for one of the regions, and [`InstallError::Io`]. Nothing has
    /// changed then.
    pub fn install(&self, root: &Root) -> Result<Installed, InstallError> {
        let Some(before) = text_of(root, Self::FILE)? else {
            write(root, Self::FILE, &self.text())?;
            return Ok(Installed::Now);
        };
        let mut after = before.clone();
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        let mut differences = Vec::new();
        for line in &self.lines {
            let of_this = |found: &&str| words(found).nth(1) == Some(&line.path) && !found.starts_with('#');
            match before.lines().find(of_this) {
                Some(found) if words(found).eq(words(&line.text)) => {}
                Some(found) => differences.push(format!("-{found}\n+{}", line.text)),
                None => after += &format!("{}\n", line.text),
            }
        }
        if !differences.is_empty() {
            return Err(InstallError::Differs { file: Self::FILE, diff: differences.join("\n") });
        }
        if words(&before).eq(words(&after)) {
            return Ok(Installed::Already);
        }
        write(root, Self::FILE, &after)?;
        Ok(Installed::Now)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}
