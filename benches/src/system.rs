//! The machine that a report was made on.

use std::{fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

use crate::processors::share_a_core;

/// What a reader must know to judge a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The processor's name, family, model and stepping.
    pub processor: String,
    /// How many processors the system has.
    pub processors: usize,
    /// The two that were used.
    pub used: [usize; 2],
    /// Whether those two are threads of one core.
    pub one_core: bool,
    /// The kernel's release.
    pub kernel: String,
    /// Whether it is a guest itself.
    pub virtual_machine: bool,
    /// Memory type of the shared memory.
    pub memory: String,
    /// The sources' commit, with `-dirty` where they were changed; nothing outside a clone.
    pub commit: Option<String>,
    /// Whether the compiler optimised: a debug build's figures mean nothing.
    pub optimised: bool,
}

impl System {
    /// This one.
    pub(crate) fn here(used: [usize; 2]) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: processor(&cpuinfo),
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor\t")).count(),
            used,
            one_core: share_a_core(used),
            kernel: kernel.trim().to_owned(),
            virtual_machine: value(&cpuinfo, "flags").is_some_and(|flags| flags.contains(" hypervisor")),
            memory: "write-back (a file in memory, pages of 4 KiB)".to_owned(),
            commit: commit(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn value<'a>(cpuinfo: &'a str, key: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn processor(cpuinfo: &str) -> String {
    let part = |key| value(cpuinfo, key).unwrap_or("?");
    format!(
        "{} (family {}, model {}, stepping {})",
        part("model name"),
        part("cpu family"),
        part("model"),
        part("stepping")
    )
}

fn commit() -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(here)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_by_its_lines() {
        let cpuinfo =
            "processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: A CPU\nstepping\t: 1\n\n";
        assert_eq!(processor(cpuinfo), "A CPU (family 26, model 2, stepping 1)");
        assert_eq!(processor(""), "? (family ?, model ?, stepping ?)");
    }
}
