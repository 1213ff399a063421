//! Which virtual machine a QEMU process runs, from its command line.

use ivring_proto::session::Uuid;

/// The UUIDs of the VM that a process with this command line (`/proc/PID/cmdline`) runs.
///
/// `-uuid` names the machine; libvirt always passes it. `-smbios type=1,uuid=` is what the guest then reads as its
/// product UUID if it differs. Empty for a process that is no QEMU, or one started without either.
pub(super) fn vm_uuids(command_line: &[u8]) -> Vec<Uuid> {
    let arguments: Vec<&str> = command_line
        .split(|&byte| byte == 0)
        .map(|argument| str::from_utf8(argument).unwrap_or(""))
        .collect();
    let mut uuids = Vec::new();
    for pair in arguments.windows(2) {
        let text = match pair[0].trim_start_matches('-') {
            // QEMU takes one dash or two.
            "uuid" if pair[0].starts_with('-') => Some(pair[1]),
            "smbios" if pair[0].starts_with('-') => smbios_uuid(pair[1]),
            _ => None,
        };
        uuids.extend(text.and_then(|text| text.parse::<Uuid>().ok()));
    }
    uuids
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
    const NONE: [&str; 0] = [];

    fn uuids(arguments: &[&str]) -> Vec<String> {
        texts(arguments.join("\0").as_bytes())
    }

    fn texts(command_line: &[u8]) -> Vec<String> {
        vm_uuids(command_line).iter().map(Uuid::to_string).collect()
    }

    #[test]
    fn both_ways_to_give_a_uuid_are_found() {
        assert_eq!(uuids(&["qemu", "-m", "1G", "-uuid", A, ""]), [A]);
        assert_eq!(uuids(&["qemu", "--uuid", &B.to_uppercase()]), [B]);
        let smbios = format!("type=1,manufacturer=x,uuid={B}");
        assert_eq!(uuids(&["qemu", "-uuid", A, "-smbios", &smbios]), [A, B]);
    }

    #[test]
    fn nothing_else_passes_for_one() {
        let other = format!("type=2,uuid={A}");
        assert_eq!(uuids(&["qemu", "-smbios", &other]), NONE);
        assert_eq!(uuids(&["agent", "uuid", A]), NONE);
        assert_eq!(uuids(&["qemu", "-uuid"]), NONE);
        assert_eq!(uuids(&["qemu", "-uuid", "web1"]), NONE);
        assert_eq!(uuids(&["qemu", "-name", A]), NONE);
        assert_eq!(texts(b"\xff\0-uuid\0\xff"), NONE);
        assert_eq!(texts(b""), NONE);
    }
}
