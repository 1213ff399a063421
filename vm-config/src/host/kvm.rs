//! The check `kvm`: whether guests run on the processor itself.

use super::{CheckLine, Root};

const CHECK: &str = "kvm";
const DEVICE: &str = "/dev/kvm";

/// Whether there is KVM. ivring works without it; QEMU then computes what the guest's processor does, and is slow.
pub(super) fn line(root: &Root) -> CheckLine {
    let cpu = root.text("/proc/cpuinfo");
    let flags =
        cpu.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':')).map(|(_, flags)| flags);
    let module = if cpu.contains("AuthenticAMD") { "kvm_amd" } else { "kvm_intel" };
    // Other architectures tell it elsewhere; there the device has to do.
    let virtualises =
        flags.is_none_or(|flags| flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"));
    match (root.has(DEVICE), virtualises) {
        (true, true) => CheckLine::ok(CHECK, format!("{DEVICE} is there")),
        (true, false) => CheckLine::pending(
            CHECK,
            format!(
                "{DEVICE} is there, but the processor shows no virtualisation (vmx, svm): QEMU emulates, slowly"
            ),
            "grep -cwE 'vmx|svm' /proc/cpuinfo",
        ),
        (false, _) => CheckLine::pending(
            CHECK,
            format!(
                "there is no {DEVICE}: QEMU emulates the processor, slowly; switch virtualisation on in the firmware"
            ),
            format!("modprobe {module}"),
        ),
    }
}
