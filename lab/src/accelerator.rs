//! What runs the guest's instructions: KVM where a guest has really booted with it, else QEMU's own translator.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cargo::folder;

/// How long a probe guest may take under KVM, where it takes a fraction of a second.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// One of QEMU's accelerators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// Hardware virtualisation.
    Kvm,
    /// Translation in software, a thread for each virtual CPU.
    Tcg,
}

impl Accelerator {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG",
        }
    }

    /// The arguments that choose it.
    #[must_use]
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    /// Chooses one for guests with `kernel`, and says so on standard error if it had to be found out.
    ///
    /// That `/dev/kvm` opens proves nothing: there are machines where it does and guests hang. So `boots` boots a guest,
    /// within the time it is given. The result is kept until the machine restarts.
    pub fn choose(kernel: &Path, boots: impl FnOnce(Duration) -> bool) -> Self {
        if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
            return Self::Tcg;
        }
        let note = folder("kvm-probe");
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let key = format!("{} {}", boot_id.trim(), kernel.display());
        let known = fs::read_to_string(&note).unwrap_or_default();
        match known.strip_prefix(&key).map(str::trim) {
            Some("kvm") => return Self::Kvm,
            Some("tcg") => return Self::Tcg,
            _ => {}
        }
        eprintln!("booting a probe guest with KVM (at most {} s)", PROBE_LIMIT.as_secs());
        let (chosen, name) = if boots(PROBE_LIMIT) { (Self::Kvm, "kvm") } else { (Self::Tcg, "tcg") };
        if chosen == Self::Tcg {
            eprintln!("it did not boot: guests run under TCG, QEMU's translator, from now on");
        }
        // Without the note the next run probes again, no more.
        if let Err(error) = fs::write(&note, format!("{key} {name}\n")) {
            eprintln!("cannot write {}: {error}", note.display());
        }
        chosen
    }
}
