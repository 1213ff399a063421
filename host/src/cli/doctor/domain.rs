//! A domain of libvirt, and whether it has the device.

use ivring_proto::check::{Chain, Line};
use ivring_proto::console::Failure;

use super::subject::Subject;
use super::vm_config::{Kind, Row};

const DEVICE_CHECK: &str = "domain-device";

/// Tells of the domain of the guest: the checks `domain-device`, `power-cycle` and `managed-save`.
pub(super) fn tell(chain: &mut Chain<'_, '_>, subject: &Subject) -> Result<(), Failure> {
    let kind = subject.kind();
    let row = chain.step(DEVICE_CHECK, Some(&subject.row), |row| match row {
        Ok(Some(row)) => device(row, &kind),
        Ok(None) => {
            let says = format!(
                "libvirt has no domain with the UUID {}: its QEMU is run by other means",
                subject.uuid
            );
            Err(Line::unknown(
                DEVICE_CHECK,
                says,
                format!("ivring-vm-config qemu-args{} has what QEMU needs", kind.typed()),
            ))
        }
        Err(silence) => Err(silence.line(DEVICE_CHECK)),
    })?;
    let row = chain.step("power-cycle", row, |row| Ok((power_cycle(row, &kind), row)))?;
    chain.step("managed-save", row, |row| Ok((managed_save(row), ())))?;
    Ok(())
}

fn device<'a>(row: &'a Row, kind: &Kind) -> Result<(Line, &'a Row), Line> {
    let (domain, word) = (&row.domain, word(row));
    let options = kind.typed();
    let (says, next) = match &*row.state {
        "ok" | "pending" => {
            return Ok((Line::ok(DEVICE_CHECK, format!("domain {domain} has the device")), row));
        }
        "missing" => (
            format!("domain {domain} has no device for {}", kind.name),
            format!("ivring-vm-config apply {word}{options}"),
        ),
        "differs" => (
            format!("domain {domain} has another device: {}", row.reason()),
            format!("ivring-vm-config apply {word}{options} --on-conflict replace"),
        ),
        "refused" => (
            format!("domain {domain} cannot have it: {}", row.reason()),
            format!("ivring-vm-config apply {word}{options} --dry-run"),
        ),
        state => {
            let says = format!("domain {domain} is {state}: {}", row.reason());
            return Err(Line::unknown(DEVICE_CHECK, says, format!("virsh dumpxml {word}")));
        }
    };
    Err(Line::failed(DEVICE_CHECK, says, next))
}

fn power_cycle(row: &Row, kind: &Kind) -> Line {
    const CHECK: &str = "power-cycle";
    if row.waiting.as_deref() != Some("cold-start") {
        return Line::ok(CHECK, "none is due");
    }
    let (domain, word) = (&row.domain, word(row));
    Line::pending(
        CHECK,
        format!("domain {domain} has run since before it got the device: a reboot is not enough"),
        format!(
            "virsh shutdown {word}, then virsh start {word}; or ivring-vm-config apply {word}{} --live",
            kind.typed()
        ),
    )
}

fn managed_save(row: &Row) -> Line {
    const CHECK: &str = "managed-save";
    if row.waiting.as_deref() != Some("saved-state") {
        return Line::ok(CHECK, "no saved state is in the way");
    }
    let (domain, word) = (&row.domain, word(row));
    let says = format!("the next start of domain {domain} restores a state without the device");
    let next = format!(
        "virsh start {word}, virsh shutdown {word}, virsh start {word}; or virsh managedsave-remove {word}"
    );
    Line::pending(CHECK, says, next)
}

/// How the domain is called in a command: by its name where a shell takes that as it is.
pub(super) fn word(row: &Row) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if row.domain.chars().all(plain) && !row.domain.is_empty() && !row.domain.starts_with('-') {
        &row.domain
    } else {
        &row.uuid
    }
}
