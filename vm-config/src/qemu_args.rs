//! The device on the command line of a QEMU that is started by hand.

use thiserror::Error;

use crate::{DEFAULT_SLOT, Model, Role, Shmem};

/// The machine type of a QEMU process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// i440FX: bus 0 is `pci.0`.
    #[default]
    Pc,
    /// ICH9: bus 0 is `pcie.0`, and its slot 0x1f is taken.
    Q35,
}

impl Machine {
    /// The slot the device takes if nothing else is asked for: the last that is free on every such machine, and 0x10
    /// on `q35`, whose own devices take several of the upper ones.
    #[must_use]
    pub fn default_slot(self) -> u8 {
        match self {
            Self::Pc => DEFAULT_SLOT,
            Self::Q35 => 0x10,
        }
    }

    fn bus(self) -> &'static str {
        match self {
            Self::Pc => "pci.0",
            Self::Q35 => "pcie.0",
        }
    }

    /// Whose slot `slot` of bus 0 is on every such machine, if it is anyone's.
    pub(crate) fn owner(self, slot: u8) -> Option<&'static str> {
        match (self, slot) {
            (_, 0) => Some("the host bridge"),
            (Self::Pc, 1) => Some("the PIIX3 (ISA bridge, IDE, USB, power management)"),
            (Self::Q35, 0x1f) => Some("the ICH9 (LPC bridge, SATA, SMBus)"),
            _ => None,
        }
    }
}

/// How the arguments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `key=value,...`, which every QEMU reads.
    #[default]
    Legacy,
    /// JSON objects, which `-object` reads since QEMU 6.0 and `-device` since 6.2.
    Json,
}

/// Why there are no arguments for such a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QemuArgsError {
    /// The machine has a device of its own there.
    #[error(
        "slot {slot:#x} belongs to {owner} of this machine type: take another, such as --slot {instead:#x}"
    )]
    SlotTaken {
        /// The slot that was asked for.
        slot: u8,
        /// Whose it is.
        owner: &'static str,
        /// A slot that is free.
        instead: u8,
    },
    /// A QEMU that has the legacy device reads no JSON.
    #[error("a QEMU that still has the legacy device reads no JSON for it: leave out --style json")]
    LegacyHasNoJson,
}

/// The device on the command line of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QemuArgs {
    /// The machine type.
    pub machine: Machine,
    /// How the arguments are written.
    pub style: Style,
    /// What builds the device.
    pub model: Model,
    /// Its role; `None` says nothing.
    pub role: Option<Role>,
    /// The slot of bus 0; `None` for [`Machine::default_slot`].
    pub slot: Option<u8>,
}

impl QemuArgs {
    /// The arguments that give the device for `region` to a QEMU process.
    ///
    /// `share=on` is the one that must not be forgotten: without it QEMU starts, and guest and host write to copies.
    /// JSON arguments hold no white space, so that a shell splits them rightly out of `$(...)`.
    ///
    /// # Errors
    ///
    /// [`QemuArgsError`].
    pub fn render(self, region: &Shmem) -> Result<Vec<String>, QemuArgsError> {
        let slot = self.slot.unwrap_or_else(|| self.machine.default_slot());
        if let Some(owner) = self.machine.owner(slot) {
            return Err(QemuArgsError::SlotTaken { slot, owner, instead: self.machine.default_slot() });
        }
        let (name, size, path, bus) = (region.name(), region.size(), region.path(), self.machine.bus());
        let master = self.role.map(|role| if role == Role::Master { "on" } else { "off" });
        let (object, mut device) = match (self.model, self.style) {
            (Model::Legacy, Style::Json) => return Err(QemuArgsError::LegacyHasNoJson),
            (Model::Legacy, Style::Legacy) => {
                let role = self.role.map(|role| format!("role={},", role.name())).unwrap_or_default();
                let size = size.mib();
                let device = format!("ivshmem,shm={name},size={size}m,{role}bus={bus},addr={slot:#x}");
                return Ok(vec!["-device".to_owned(), device]);
            }
            (Model::Plain, Style::Legacy) => (
                format!("memory-backend-file,id=shmem-{name},mem-path={path},size={size},share=on"),
                format!("ivshmem-plain,memdev=shmem-{name},bus={bus},addr={slot:#x}"),
            ),
            (Model::Plain, Style::Json) => (
                format!(
                    r#"{{"qom-type":"memory-backend-file","id":"shmem-{name}","mem-path":"{path}","size":{},"share":true}}"#,
                    size.bytes()
                ),
                format!(
                    r#"{{"driver":"ivshmem-plain","memdev":"shmem-{name}","bus":"{bus}","addr":"{slot:#x}""#
                ),
            ),
        };
        match self.style {
            Style::Legacy => device.push_str(&master.map(|on| format!(",master={on}")).unwrap_or_default()),
            Style::Json => {
                device.push_str(&master.map(|on| format!(r#","master":"{on}""#)).unwrap_or_default());
                device.push('}');
            }
        }
        Ok(vec!["-object".to_owned(), object, "-device".to_owned(), device])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Shmem {
        Shmem::new("fg_i3", "8M".parse().unwrap()).unwrap()
    }

    #[test]
    fn qemu_gets_a_shared_backend_and_a_plain_device() {
        assert_eq!(
            QemuArgs::default().render(&region()).unwrap(),
            [
                "-object",
                "memory-backend-file,id=shmem-fg_i3,mem-path=/dev/shm/fg_i3,size=8M,share=on",
                "-device",
                "ivshmem-plain,memdev=shmem-fg_i3,bus=pci.0,addr=0x1f",
            ]
        );
    }

    #[test]
    fn json_is_json_in_one_word() {
        let args = QemuArgs {
            machine: Machine::Q35,
            style: Style::Json,
            role: Some(Role::Master),
            ..QemuArgs::default()
        };
        let args = args.render(&region()).unwrap();
        assert!(!args.concat().contains(' '));
        let object: serde_json::Value = serde_json::from_str(&args[1]).unwrap();
        assert_eq!(object["size"], 8 << 20);
        assert_eq!(object["share"], true);
        let device: serde_json::Value = serde_json::from_str(&args[3]).unwrap();
        assert_eq!(device["memdev"], object["id"]);
        assert_eq!((&device["bus"], &device["addr"]), (&"pcie.0".into(), &"0x10".into()));
        assert_eq!(device["master"], "on");
    }

    #[test]
    fn the_legacy_device_is_one_argument() {
        let legacy = QemuArgs { model: Model::Legacy, ..QemuArgs::default() };
        assert_eq!(
            legacy.render(&region()).unwrap(),
            ["-device", "ivshmem,shm=fg_i3,size=8m,bus=pci.0,addr=0x1f"]
        );
        let json = QemuArgs { style: Style::Json, ..legacy };
        assert_eq!(json.render(&region()), Err(QemuArgsError::LegacyHasNoJson));
    }

    #[test]
    fn a_slot_of_the_machine_itself_is_refused() {
        for (machine, slot) in [(Machine::Q35, 0x1f), (Machine::Pc, 1), (Machine::Pc, 0)] {
            let args = QemuArgs { machine, slot: Some(slot), ..QemuArgs::default() };
            assert!(matches!(args.render(&region()), Err(QemuArgsError::SlotTaken { .. })), "{slot}");
        }
    }
}
