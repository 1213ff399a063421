//! The device on the command line of a QEMU that libvirt does not own, or not with this device.

mod machine;
mod style;

use thiserror::Error;

pub use machine::Machine;
pub use style::Style;

use crate::{Model, Role, Shmem};

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
    /// The slot of bus 0; `None` for one that is free: [`Machine::default_slot`], and another where the style is that of
    /// Proxmox VE.
    pub slot: Option<u8>,
}

impl QemuArgs {
    /// The arguments that give the device for `region` to a QEMU process.
    ///
    /// `share=on` is the one that must not be forgotten: without it QEMU starts, and guest and host write to copies.
    /// JSON arguments hold no white space, so that a shell splits them rightly out of `$(...)`. Bus and slot are always
    /// said, for libvirt has QEMU create devices with `key=value` before its own, which would take the slot of one of them.
    ///
    /// # Errors
    ///
    /// [`QemuArgsError`].
    pub fn render(self, region: &Shmem) -> Result<Vec<String>, QemuArgsError> {
        let usual = self.style.default_slot(self.machine);
        let slot = self.slot.unwrap_or(usual);
        if let Some(owner) = self.style.owner(self.machine, slot) {
            return Err(QemuArgsError::SlotTaken { slot, owner, instead: usual });
        }
        let (name, size, path, bus) = (region.name(), region.size(), region.path(), self.machine.bus());
        let master = self.role.map(|role| if role == Role::Master { "on" } else { "off" });
        let (object, device) = match (self.model, self.style) {
            (Model::Legacy, Style::Json) => return Err(QemuArgsError::LegacyHasNoJson),
            (Model::Legacy, _) => {
                let role = self.role.map(|role| format!("role={},", role.name())).unwrap_or_default();
                let size = size.mib();
                let device = format!("ivshmem,shm={name},size={size}m,{role}bus={bus},addr={slot:#x}");
                return Ok(vec!["-device".to_owned(), device]);
            }
            (Model::Plain, Style::Json) => {
                let master = master.map(|on| format!(r#","master":"{on}""#)).unwrap_or_default();
                (
                    format!(
                        r#"{{"qom-type":"memory-backend-file","id":"shmem-{name}","mem-path":"{path}","size":{},"share":true}}"#,
                        size.bytes()
                    ),
                    format!(
                        r#"{{"driver":"ivshmem-plain","memdev":"shmem-{name}","bus":"{bus}","addr":"{slot:#x}"{master}}}"#
                    ),
                )
            }
            (Model::Plain, _) => {
                let master = master.map(|on| format!(",master={on}")).unwrap_or_default();
                (
                    format!("memory-backend-file,id=shmem-{name},mem-path={path},size={size},share=on"),
                    format!("ivshmem-plain,memdev=shmem-{name},bus={bus},addr={slot:#x}{master}"),
                )
            }
        };
        Ok(vec!["-object".to_owned(), object, "-device".to_owned(), device])
    }

    /// The same as the text that the style is for: a line for a shell, or what is pasted into a file.
    ///
    /// # Errors
    ///
    /// [`QemuArgsError`].
    pub fn text(self, region: &Shmem) -> Result<String, QemuArgsError> {
        Ok(self.style.lay_out(&self.render(region)?))
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

    #[test]
    fn each_style_is_the_same_arguments_for_another_reader() {
        let text = |style| QemuArgs { style, ..QemuArgs::default() }.text(&region()).unwrap();
        let object = "memory-backend-file,id=shmem-fg_i3,mem-path=/dev/shm/fg_i3,size=8M,share=on";
        let device = "ivshmem-plain,memdev=shmem-fg_i3,bus=pci.0,addr=0x1f";
        assert_eq!(text(Style::Legacy), format!("-object {object} -device {device}\n"));
        assert_eq!(
            text(Style::Proxmox),
            format!("args: -object {object} -device {}\n", device.replace("0x1f", "0x1a"))
        );
        assert_eq!(
            text(Style::Vagrant),
            ["-object", object, "-device", device]
                .map(|argument| format!("libvirt.qemuargs :value => '{argument}'\n"))
                .concat()
        );
        assert_eq!(
            text(Style::LibvirtCommandline),
            format!(
                "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n  <qemu:arg \
                 value='-object'/>\n  <qemu:arg value='{object}'/>\n  <qemu:arg value='-device'/>\n  <qemu:arg \
                 value='{device}'/>\n</qemu:commandline>\n"
            )
        );
    }

    #[test]
    fn slots_that_proxmox_takes_by_itself_are_refused_there_alone() {
        for (machine, slots) in [(Machine::Pc, 0x1e..=0x1f), (Machine::Q35, 0x1a..=0x1e)] {
            for slot in slots {
                let args = QemuArgs { machine, slot: Some(slot), ..QemuArgs::default() };
                args.render(&region()).unwrap();
                let refused = QemuArgs { style: Style::Proxmox, ..args }.render(&region()).unwrap_err();
                assert!(refused.to_string().contains("Proxmox"), "{refused}");
            }
        }
    }
}
