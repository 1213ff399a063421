//! Which virtual machine a QEMU process runs, from its command line.

use ivring_proto::session::Uuid;

/// What a process says of itself in its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// QEMU with a machine of these UUIDs.
    Vm(Vec<Uuid>),
    /// QEMU with a machine that it gives no UUID.
    UnnamedVm,
    /// Another program.
    NoVm,
    /// Nothing: its command line cannot be read or is empty.
    Unknown,
}

impl Runs {
    /// Whether the process may run that machine, if it is known to map the region: whatever it is, unless it has
    /// another machine's UUID.
    pub(super) fn may_be_mapper_for(&self, vm: Uuid) -> bool {
        !matches!(self, Runs::Vm(uuids) if !uuids.contains(&vm))
    }

    /// Whether the process may run that machine, if its mappings are unknown: then a program that is not QEMU does not.
    pub(super) fn may_run(&self, vm: Uuid) -> bool {
        *self != Runs::NoVm && self.may_be_mapper_for(vm)
    }

    /// Takes the contents of `/proc/PID/cmdline`.
    ///
    /// `-uuid` names a machine; libvirt always passes it. `-smbios type=1,uuid=` is what the guest then reads as its
    /// product UUID if it differs.
    pub(super) fn from_command_line(line: &[u8]) -> Self {
        let arguments: Vec<&str> =
            line.split(|&byte| byte == 0).map(|argument| str::from_utf8(argument).unwrap_or("")).collect();
        let mut uuids = Vec::new();
        for pair in arguments.windows(2) {
            // QEMU takes one dash or two.
            let text = match pair[0] {
                "-uuid" | "--uuid" => Some(pair[1]),
                "-smbios" | "--smbios" => smbios_uuid(pair[1]),
                _ => None,
            };
            uuids.extend(text.and_then(|text| text.parse::<Uuid>().ok()));
        }
        let program = arguments[0].rsplit('/').next().unwrap_or("");
        match () {
            () if !uuids.is_empty() => Runs::Vm(uuids),
            () if line.is_empty() => Runs::Unknown,
            () if program.starts_with("qemu") => Runs::UnnamedVm,
            () => Runs::NoVm,
        }
    }
}

/// The value of `uuid` in an SMBIOS type 1 option such as `type=1,manufacturer=x,uuid=y`.
fn smbios_uuid(option: &str) -> Option<&str> {
    let mut parts = option.split(',');
    parts.clone().find(|&part| part == "type=1")?;
    parts.find_map(|part| part.strip_prefix("uuid="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    fn runs(arguments: &[&str]) -> Runs {
        Runs::from_command_line(arguments.join("\0").as_bytes())
    }

    fn vm(uuids: &[&str]) -> Runs {
        Runs::Vm(uuids.iter().map(|uuid| uuid.parse().unwrap()).collect())
    }

    #[test]
    fn both_ways_to_give_a_uuid_are_found() {
        assert_eq!(runs(&["qemu", "-m", "1G", "-uuid", A, ""]), vm(&[A]));
        assert_eq!(runs(&["/usr/libexec/qemu-kvm", "--uuid", &B.to_uppercase()]), vm(&[B]));
        let smbios = format!("type=1,manufacturer=x,uuid={B}");
        assert_eq!(runs(&["qemu", "-uuid", A, "-smbios", &smbios]), vm(&[A, B]));
    }

    #[test]
    fn nothing_else_passes_for_one() {
        let other = format!("type=2,uuid={A}");
        assert_eq!(runs(&["/usr/bin/qemu-system-x86_64", "-smbios", &other]), Runs::UnnamedVm);
        assert_eq!(runs(&["qemu-kvm", "-uuid"]), Runs::UnnamedVm);
        assert_eq!(runs(&["qemu-kvm", "-uuid", "web1"]), Runs::UnnamedVm);
        assert_eq!(runs(&["qemu-kvm", "-name", A]), Runs::UnnamedVm);
        assert_eq!(runs(&["ivring-agent", "uuid", A]), Runs::NoVm);
        assert_eq!(runs(&["/opt/qemu/bin/tool"]), Runs::NoVm);
        assert_eq!(Runs::from_command_line(b"\xff\0-uuid\0\xff"), Runs::NoVm);
        assert_eq!(Runs::from_command_line(b""), Runs::Unknown);
    }

    #[test]
    fn doubt_speaks_for_the_machine() {
        let a = A.parse().unwrap();
        for (runs, as_mapper, otherwise) in [
            (vm(&[A]), true, true),
            (vm(&[B, A]), true, true),
            (vm(&[B]), false, false),
            (Runs::UnnamedVm, true, true),
            (Runs::Unknown, true, true),
            (Runs::NoVm, true, false),
        ] {
            assert_eq!((runs.may_be_mapper_for(a), runs.may_run(a)), (as_mapper, otherwise), "{runs:?}");
        }
    }
}
