//! The check `qemu-ivshmem`: whether the QEMUs of the host have the device.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::distribution::{Distribution, Package};
use super::{CheckLine, LibvirtHost, Root};

const CHECK: &str = "qemu-ivshmem";

/// What a QEMU says of the device.
#[derive(Debug)]
enum Answer {
    Has,
    Lacks,
    Unclear(String),
}

/// A line for each QEMU: those of libvirt, and those where distributions put theirs.
pub(super) fn lines(root: &Root, libvirts: &[LibvirtHost]) -> Vec<CheckLine> {
    let distribution = Distribution::of(root);
    let usual = [
        format!("/usr/bin/qemu-system-{ARCH}"),
        "/usr/libexec/qemu-kvm".to_owned(),
        "/usr/bin/qemu-kvm".to_owned(),
    ];
    let named = libvirts.iter().flat_map(LibvirtHost::emulators).map(str::to_owned);
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let answers: Vec<(String, Answer)> = named
        .chain(usual)
        .filter_map(|path| {
            let place = fs::canonicalize(root.path(&path)).ok()?;
            seen.insert(place.clone()).then(|| (path, ask(&place)))
        })
        .collect();
    if answers.is_empty() {
        let says = format!("no QEMU for {ARCH} is where distributions and libvirt have it");
        return vec![CheckLine::failed(CHECK, says, distribution.installs(Package::Qemu))];
    }
    let able =
        answers.iter().find(|(_, answer)| matches!(answer, Answer::Has)).map(|(path, _)| path.as_str());
    answers.iter().map(|(path, answer)| line(path, answer, able, distribution)).collect()
}

fn line(path: &str, answer: &Answer, able: Option<&str>, distribution: Distribution) -> CheckLine {
    match (answer, able) {
        (Answer::Has, _) => CheckLine::ok(CHECK, format!("{path} has ivshmem-plain")),
        (Answer::Unclear(why), _) => {
            CheckLine::unknown(CHECK, format!("{path} does not say whether it has ivshmem: {why}"))
        }
        (Answer::Lacks, Some(able)) => CheckLine::pending(
            CHECK,
            format!(
                "{path} is built without ivshmem: its domains can have <emulator>{able}</emulator> instead"
            ),
            "virsh edit DOMAIN",
        ),
        (Answer::Lacks, None) if distribution == Distribution::RedHat => CheckLine::failed(
            CHECK,
            format!(
                "{path} is built without ivshmem, as RHEL's QEMU is: install another QEMU and name it in <emulator>"
            ),
            "virsh edit DOMAIN",
        ),
        (Answer::Lacks, None) => CheckLine::failed(
            CHECK,
            format!("{path} is built without ivshmem"),
            distribution.installs(Package::Qemu),
        ),
    }
}

/// Asks for the options of the device. The exit code says nothing: it is 0 for a device that there is not, too.
fn ask(qemu: &Path) -> Answer {
    let output = Command::new(qemu)
        .args(["-device", "ivshmem-plain,help"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Answer::Unclear(error.to_string()),
    };
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if out.contains("memdev=") {
        Answer::Has
    } else if complaint.contains("'ivshmem-plain' not found")
        || complaint.contains("not a valid device model")
    {
        Answer::Lacks
    } else {
        let first = complaint.lines().next().unwrap_or("no word");
        Answer::Unclear(first.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
    }
}
