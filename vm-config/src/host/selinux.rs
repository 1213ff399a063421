//! The remedy where SELinux confines QEMU: a label that is open to every domain.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Root;
use super::distribution::{Distribution, Package};
use super::install::{InstallError, Installed};
use crate::Shmem;

/// The type of files that every QEMU of libvirt may read and write, if they have no categories.
pub(super) const TYPE: &str = "svirt_tmpfs_t";

/// Whether SELinux is on, and then whether it enforces its rules.
pub(super) fn enforcing(root: &Root) -> Option<bool> {
    let state = root.read("/sys/fs/selinux/enforce").ok()?;
    Some(state.trim() == "1")
}

/// The label that lets every QEMU of libvirt open a region: a rule that names the type, and the labelling by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelinuxLabel {
    /// The region's path, or the beginning of those of the domains.
    path: String,
    domains: bool,
}

impl SelinuxLabel {
    /// The label for `region`.
    #[must_use]
    pub fn new(region: &Shmem) -> Self {
        Self { path: region.path(), domains: false }
    }

    /// The label for the regions of the domains, which are called by the name of `base`, `-` and a UUID.
    #[must_use]
    pub fn of_domains(base: &Shmem) -> Self {
        Self { path: format!("{}-", base.path()), domains: true }
    }

    /// The commands, one a line.
    #[must_use]
    pub fn text(&self) -> String {
        let files = if self.domains { format!("{}*", self.path) } else { self.path.clone() };
        format!("semanage fcontext -a -t {TYPE} '{}'\nrestorecon -v {files}\n", self.pattern())
    }

    /// The regular expression that names the files for semanage.
    fn pattern(&self) -> String {
        let path = self.path.replace('.', "\\.");
        if self.domains { format!("{path}.*") } else { path }
    }

    /// Whether the host has a rule of its own for the files.
    pub(super) fn is_known(&self, root: &Root) -> bool {
        let policies = fs::read_dir(root.path("/etc/selinux")).into_iter().flatten().flatten();
        policies.filter_map(|policy| fs::read_to_string(policy.path().join(LOCAL_RULES)).ok()).any(|rules| {
            rules.lines().any(|rule| {
                let mut words = rule.split_whitespace();
                let named = words.next().is_some_and(|pattern| self.is_named_by(pattern));
                named && words.next_back().is_some_and(|label| label.split(':').nth(2) == Some(TYPE))
            })
        })
    }

    fn is_named_by(&self, pattern: &str) -> bool {
        let plain = pattern.replace("\\.", ".");
        pattern == self.pattern()
            || plain.strip_suffix(".*").is_some_and(|beginning| self.path.starts_with(beginning))
    }

    /// Runs the commands. They can be run again.
    ///
    /// # Errors
    ///
    /// [`InstallError::NoTool`] and [`InstallError::Tool`].
    pub fn install(&self, root: &Root) -> Result<Installed, InstallError> {
        if enforcing(root).is_none() {
            return Ok(Installed::NotNeeded);
        }
        let (semanage, restorecon) = (tool(root, "semanage")?, tool(root, "restorecon")?);
        let known = self.is_known(root);
        if !known {
            run(&semanage, &["fcontext", "-a", "-t", TYPE, &self.pattern()])?;
        }
        for file in self.files(root) {
            run(&restorecon, &["-v", &file.display().to_string()])?;
        }
        Ok(if known { Installed::Already } else { Installed::Now })
    }

    /// The files that are there.
    fn files(&self, root: &Root) -> Vec<PathBuf> {
        let path = root.path(&self.path);
        if !self.domains {
            return if path.exists() { vec![path] } else { Vec::new() };
        }
        let beginning = path.display().to_string();
        let entries = fs::read_dir(root.path("/dev/shm")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.display().to_string().starts_with(&beginning))
            .collect()
    }
}

/// Where an administrator's rules are, below the folder of a policy.
const LOCAL_RULES: &str = "contexts/files/file_contexts.local";

fn tool(root: &Root, tool: &'static str) -> Result<PathBuf, InstallError> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin"].map(|folder| root.path(&format!("{folder}/{tool}")));
    let missing =
        || InstallError::NoTool { tool, package: Distribution::of(root).installs(Package::Semanage) };
    places.into_iter().find(|place| place.exists()).ok_or_else(missing)
}

fn run(program: &PathBuf, arguments: &[&str]) -> Result<(), InstallError> {
    let failed = |message: String| {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        InstallError::Tool { command: format!("{name} {}", arguments.join(" ")), message }
    };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    #[test]
    fn a_name_is_no_pattern_and_a_rule_may_be_one() {
        let region = |name| Shmem::new(name, Size::SMALLEST).unwrap();
        let label = SelinuxLabel::new(&region("a.b"));
        assert_eq!(
            label.text(),
            "semanage fcontext -a -t svirt_tmpfs_t '/dev/shm/a\\.b'\nrestorecon -v /dev/shm/a.b\n"
        );
        assert!(label.is_named_by("/dev/shm/a\\.b") && label.is_named_by("/dev/shm/a.*"));
        assert!(!label.is_named_by("/dev/shm/b.*") && !label.is_named_by("/dev/shm/a"));
        let own = SelinuxLabel::of_domains(&region("r"));
        assert_eq!(
            own.text(),
            "semanage fcontext -a -t svirt_tmpfs_t '/dev/shm/r-.*'\nrestorecon -v /dev/shm/r-*\n"
        );
        assert!(SelinuxLabel::new(&region("r-0f")).is_named_by(&own.pattern()));
    }
}
