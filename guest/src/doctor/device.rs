//! The PCI device, step by step until its memory can be read.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use ivring_proto::check::{Chain, Line, Verdict};
use ivring_proto::console::Failure;
use ivring_proto::console::amount::bytes;
use ivring_proto::layout::{MAGIC, PAGE, superblock_word};
use ivring_proto::memory::{MappedFile, Memory};
use uuid::Uuid;

use super::region::Source;
use crate::bar::{self, BarError};
use crate::discover::{DiscoverError, addresses, candidates};
use crate::pci::{Address, Device};

/// Where the kernel lists the slots in which devices come and go.
const SLOTS: &str = "sys/bus/pci/slots";
const MEMORY: &str = "resource2";

/// Looks at the device at `wanted`, or else the one that holds a region.
pub(super) fn look(
    chain: &mut Chain<'_, '_>,
    root: &Path,
    wanted: Option<Address>,
    uuid: Option<Uuid>,
    agent_runs: bool,
) -> Result<Option<Source>, Failure> {
    let found = chain.step("device", Some(()), |()| find(root, wanted, uuid))?;
    chain.tell(hot_plug(root, found.is_some()))?;
    let device = chain.step("driver", found, |device| Ok((driver(&device), device)))?;
    let sized = chain.step("bar", device, |device| {
        let size = bar::size_of(&device).map_err(|error| failed("bar", &error))?;
        let start = device.bars()[2].start();
        Ok((Line::ok("bar", format!("BAR 2 has {} at {start:#x}", bytes(size))), (device, size)))
    })?;
    let opened = chain.step("permission", sized, |(device, size)| {
        let file = open(root, &device)?;
        let path = device.directory().join(MEMORY);
        Ok((Line::ok("permission", format!("{} can be mapped", path.display())), (device, size, file)))
    })?;
    chain.step("decoding", opened, |(device, size, file)| {
        let line = decoding(root, &device, agent_runs)?;
        Ok((line, Source { file, size, what: device.directory().join(MEMORY) }))
    })
}

fn find(root: &Path, wanted: Option<Address>, uuid: Option<Uuid>) -> Result<(Line, Device), Line> {
    let error = match candidates(root, wanted) {
        Ok(mut devices) => {
            return match (devices.pop(), &devices[..]) {
                (Some(device), []) => Ok((found(&device), device)),
                (last, _) => pick(root, devices.into_iter().chain(last).collect()),
            };
        }
        Err(error) => error,
    };
    let next = match &error {
        DiscoverError::Scan(_) => "mount -t sysfs sysfs /sys".to_owned(),
        DiscoverError::NoDevice { .. } => {
            let domain = uuid.map_or_else(|| "DOMAIN".to_owned(), |uuid| uuid.to_string());
            format!("on the host: ivring doctor {domain}")
        }
        _ => "ivring-agent pci, and leave --pci out".to_owned(),
    };
    Err(Line::failed("device", error.to_string(), next))
}

fn found(device: &Device) -> Line {
    let old = if device.revision() == 0 { ", as QEMU before 2.6 makes it" } else { "" };
    let (address, revision) = (device.address(), device.revision());
    Line::ok("device", format!("{address} is ivshmem (1af4:1110), revision {revision}{old}"))
}

/// Of several devices the only one whose memory begins as a region does.
fn pick(root: &Path, devices: Vec<Device>) -> Result<(Line, Device), Line> {
    let all = addresses(&devices);
    let mut holders = Vec::new();
    for device in devices {
        match open(root, &device) {
            Ok(file) => {
                let decodes = bar::decodes(root, &device).is_ok_and(|(decodes, _)| decodes);
                holders.extend((decodes && begins_a_region(&file)).then_some(device));
            }
            Err(line) if line.verdict == Verdict::Unknown => {
                return Err(Line { check: "device".into(), ..line });
            }
            // Another program may well have it.
            Err(_) => {}
        }
    }
    let error = match (holders.pop(), &holders[..]) {
        (Some(device), []) => return Ok((found(&device), device)),
        (None, _) => DiscoverError::NoRegion { candidates: all },
        (Some(_), _) => DiscoverError::Ambiguous { candidates: all },
    };
    Err(Line::failed("device", error.to_string(), "ivring-agent pci, then ivring-agent doctor --pci ADDRESS"))
}

fn begins_a_region(file: &File) -> bool {
    let page = MappedFile::map_read_only(file, PAGE);
    page.is_ok_and(|page| page.load(superblock_word::MAGIC) == MAGIC)
}

fn hot_plug(root: &Path, is_there: bool) -> Line {
    const CHECK: &str = "hot-plug";
    let path = root.join(SLOTS);
    let slots = fs::read_dir(&path).map_or(0, Iterator::count);
    match (slots, is_there) {
        (1.., _) => {
            Line::ok(CHECK, format!("the kernel knows {slots} slots whose devices come and go while it runs"))
        }
        (0, true) => Line::ok(CHECK, "no slot for it here, and the device is there already"),
        (0, false) => {
            let says = format!("{} is empty: no device appears while this machine runs", path.display());
            Line::pending(CHECK, says, "power the VM off, and on when its domain has the device")
        }
    }
}

fn driver(device: &Device) -> Line {
    const CHECK: &str = "driver";
    let address = device.address();
    let Some(driver) = device.driver() else { return Line::ok(CHECK, "no driver holds the device") };
    let says =
        format!("driver {driver} is bound to {address}: it may keep the agent out, or switch the device off");
    Line::pending(CHECK, says, format!("echo {address} > /sys/bus/pci/drivers/{driver}/unbind"))
}

/// Opens the memory, and makes sure that the kernel lets a page of it be mapped.
fn open(root: &Path, device: &Device) -> Result<File, Line> {
    const CHECK: &str = "permission";
    let file = bar::open_memory(root, device, OpenOptions::new().read(true));
    let file = file.map_err(|error| failed(CHECK, &error))?;
    // Nothing is read: whether the device answers is not known yet.
    MappedFile::map_read_only(&file, PAGE).map_err(|source| {
        failed(CHECK, &bar::refused(root, device, &device.directory().join(MEMORY), source))
    })?;
    Ok(file)
}

fn decoding(root: &Path, device: &Device, agent_runs: bool) -> Result<Line, Line> {
    const CHECK: &str = "decoding";
    let (decodes, command) = bar::decodes(root, device).map_err(|error| failed(CHECK, &error))?;
    let address = device.address();
    match (decodes, agent_runs) {
        (true, _) => {
            Ok(Line::ok(CHECK, format!("the device answers accesses to its memory (command {command:#06x})")))
        }
        (false, false) => {
            let says =
                format!("{address} does not answer accesses to its memory yet (command {command:#06x})");
            Err(Line::pending(CHECK, says, "ivring-agent run, which switches that on"))
        }
        (false, true) => {
            let says = format!(
                "{address} does not answer accesses to its memory (command {command:#06x}), though an agent runs"
            );
            Err(Line::failed(CHECK, says, format!("setpci -s {address} COMMAND=2:2")))
        }
    }
}

/// The line of an error, which says what it takes; who is not root knows too little to call it one.
fn failed(check: &'static str, error: &BarError) -> Line {
    let next = match error {
        BarError::NotRoot { .. } => {
            return Line::unknown(check, error.to_string(), "sudo ivring-agent doctor");
        }
        BarError::NoBar { .. } => "on the host: ivring-vm-config status".to_owned(),
        BarError::NoRoom { .. } => "power the VM off and on".to_owned(),
        BarError::GivenUp { .. } => {
            "ivring-agent run, which makes room; or power the VM off and on".to_owned()
        }
        BarError::Gone { .. } => "on the host: ivring doctor, and attach the device again".to_owned(),
        BarError::DecodeOff { device, .. } => format!("setpci -s {device} COMMAND=2:2"),
        BarError::Lockdown { .. } => {
            "cat /sys/kernel/security/lockdown; start the VM without Secure Boot".to_owned()
        }
        BarError::Claimed { device, driver, .. } => {
            format!("echo {device} > /sys/bus/pci/drivers/{driver}/unbind")
        }
        BarError::Conflict { .. } => "grep resource2 /proc/*/maps".to_owned(),
        BarError::Io { path, .. } => format!("ls -l {}", path.display()),
    };
    Line::failed(check, error.to_string(), next)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_refusal_has_its_remedy() {
        let device: Address = "00:1f.0".parse().unwrap();
        let path = PathBuf::from("/sys/bus/pci/devices/0000:00:1f.0/resource2");
        let source = || io::Error::from_raw_os_error(1);
        let driver = "kvmfr".to_owned();
        for (error, verdict, next) in [
            (BarError::NoBar { path: path.clone(), size: 3 }, Verdict::Failed, "ivring-vm-config status"),
            (
                BarError::NoRoom { device, path: path.clone(), size: 8, offered: 0 },
                Verdict::Failed,
                "off and on",
            ),
            (BarError::GivenUp { device }, Verdict::Failed, "ivring-agent run, which makes room"),
            (BarError::Gone { path: path.clone() }, Verdict::Failed, "attach the device again"),
            (
                BarError::DecodeOff { device, path: path.clone(), command: 0 },
                Verdict::Failed,
                "setpci -s 0000:00:1f.0 COMMAND=2:2",
            ),
            (
                BarError::NotRoot { path: path.clone(), uid: 7, source: source() },
                Verdict::Unknown,
                "sudo ivring-agent doctor",
            ),
            (
                BarError::Lockdown { path: path.clone(), mode: "integrity".to_owned(), source: source() },
                Verdict::Failed,
                "start the VM without Secure Boot",
            ),
            (
                BarError::Claimed { device, path: path.clone(), driver, source: source() },
                Verdict::Failed,
                "echo 0000:00:1f.0 > /sys/bus/pci/drivers/kvmfr/unbind",
            ),
            (BarError::Conflict { path: path.clone(), source: source() }, Verdict::Failed, "grep resource2"),
            (BarError::Io { path: path.clone(), source: source() }, Verdict::Failed, "ls -l /sys/bus"),
        ] {
            let line = failed("permission", &error);
            assert_eq!((line.verdict, &line.says), (verdict, &error.to_string()));
            assert!(line.next.as_deref().unwrap().contains(next), "{line}");
        }
    }
}
