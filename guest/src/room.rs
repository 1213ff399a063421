//! Room on the bus for a device that was plugged in behind a port.
//!
//! Firmware gives a PCI port without a device a window of 2 MiB or so. A kernel that finds a device with a larger BAR behind
//! it leaves that BAR without an address ("can't assign; no space"), although the bus above has room. It makes a larger
//! window only for a bus that was empty and is looked at anew (`pci_rescan_bus_bridge_resize()`, by the bus's `rescan` file:
//! drivers/pci/pci-sysfs.c). So the device is removed, which nobody can have used without its memory, and found again. Where
//! there is a bridge between port and device that is not enough, as the kernel (6.1) resizes one window and not two in a row:
//! there the port is removed, with all that leads to the device alone, and the bus above looked at. Nothing else is ever removed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::pci::Address;

/// What is removed, and where it is found again.
#[derive(Debug, PartialEq, Eq)]
struct Branch {
    /// The device, or the port that leads to it alone.
    remove: PathBuf,
    /// The file that has the bus looked at anew on which that is.
    rescan: PathBuf,
}

/// Has the kernel make room for `device`: afterwards it is there again, with room for its memory if there is any. False,
/// and nothing is changed, if it is on the chipset's own bus, or others are behind its port.
///
/// # Errors
///
/// When sysfs cannot be read or written.
pub(crate) fn make_room(root: &Path, device: Address) -> io::Result<bool> {
    let Some(branch) = branch(root, device)? else { return Ok(false) };
    let write = |path: &Path| OpenOptions::new().write(true).open(path);
    // Both are open before anything is gone: what is removed must be found again.
    let (mut remove, mut rescan) = (write(&branch.remove)?, write(&branch.rescan)?);
    remove.write_all(b"1")?;
    rescan.write_all(b"1")?;
    Ok(true)
}

/// What leads to `device` alone; `None` if it shares its bus.
fn branch(root: &Path, device: Address) -> io::Result<Option<Branch>> {
    let device = fs::canonicalize(root.join("sys/bus/pci/devices").join(device.to_string()))?;
    let mut ports = Vec::new();
    for port in device.ancestors().skip(1).take_while(|folder| is_device(folder)) {
        if devices(port)? != 1 {
            break;
        }
        ports.push(port);
    }
    let (remove, above) = match ports[..] {
        [] => return Ok(None),
        [port] => (&*device, port),
        [.., port] => (port, port.parent().unwrap_or(root)),
    };
    // There is one bus behind a port or a host bridge.
    let Some(bus) = fs::read_dir(above.join("pci_bus"))?.next() else { return Ok(None) };
    Ok(Some(Branch { remove: remove.join("remove"), rescan: bus?.path().join("rescan") }))
}

/// The number of devices behind a port.
fn devices(port: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(port)? {
        count += usize::from(is_device(&entry?.path()));
    }
    Ok(count)
}

/// Whether a folder of sysfs is that of a PCI device: it is called by its address.
fn is_device(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<Address>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A sysfs with devices at these places below the chipset's bus.
    fn machine(places: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let list = root.path().join("sys/bus/pci/devices");
        fs::create_dir_all(&list).unwrap();
        fs::create_dir_all(root.path().join("sys/devices/pci0000:00/pci_bus/0000:00")).unwrap();
        for place in places {
            let folder = root.path().join("sys/devices/pci0000:00").join(place);
            let bus = format!("pci_bus/{}", &place[place.len() - 12..place.len() - 5]);
            fs::create_dir_all(folder.join(&bus)).unwrap();
            for file in ["remove".to_owned(), format!("{bus}/rescan")] {
                fs::write(folder.join(file), "").unwrap();
            }
            symlink(&folder, list.join(&place[place.len() - 12..])).unwrap();
        }
        root
    }

    fn found(root: &Path, device: &str) -> Option<(String, String)> {
        let branch = branch(root, device.parse().unwrap()).unwrap()?;
        let below = |path: PathBuf| {
            let root = fs::canonicalize(root).unwrap().join("sys/devices/pci0000:00");
            path.strip_prefix(root).unwrap().display().to_string()
        };
        Some((below(branch.remove), below(branch.rescan)))
    }

    #[test]
    fn the_device_alone_behind_its_port_is_removed_and_found_again() {
        let root = machine(&["0000:00:01.0", "0000:00:01.0/0000:01:00.0", "0000:00:02.0"]);
        let rescan = "0000:00:01.0/pci_bus/0000:00/rescan";
        assert_eq!(
            found(root.path(), "0000:01:00.0"),
            Some(("0000:00:01.0/0000:01:00.0/remove".to_owned(), rescan.to_owned()))
        );
        assert!(make_room(root.path(), "0000:01:00.0".parse().unwrap()).unwrap());
        let written = |path: &str| fs::read(root.path().join("sys/devices/pci0000:00").join(path)).unwrap();
        assert_eq!(written("0000:00:01.0/0000:01:00.0/remove"), b"1");
        assert_eq!(written(rescan), b"1");
    }

    #[test]
    fn a_port_that_leads_to_it_alone_by_a_bridge_goes_with_it() {
        let bridge = "0000:00:02.0/0000:02:00.0";
        let root = machine(&["0000:00:02.0", bridge, &format!("{bridge}/0000:03:1f.0")]);
        let (remove, rescan) = found(root.path(), "0000:03:1f.0").unwrap();
        assert_eq!(remove, "0000:00:02.0/remove");
        assert_eq!(rescan, "pci_bus/0000:00/rescan");
    }

    #[test]
    fn nothing_else_is_ever_removed() {
        let beside = ["0000:00:01.0", "0000:00:01.0/0000:01:01.0", "0000:00:01.0/0000:01:02.0"];
        let root = machine(&[&beside[..], &["0000:00:1f.0"]].concat());
        for device in ["0000:01:01.0", "0000:00:1f.0"] {
            assert_eq!(found(root.path(), device), None, "{device}");
            assert!(!make_room(root.path(), device.parse().unwrap()).unwrap());
        }
        let bridge = "0000:00:02.0/0000:02:00.0";
        let root = machine(&[
            "0000:00:02.0",
            bridge,
            "0000:00:02.0/0000:02:01.0",
            &format!("{bridge}/0000:03:1f.0"),
        ]);
        let (remove, _) = found(root.path(), "0000:03:1f.0").unwrap();
        assert_eq!(remove, format!("{bridge}/0000:03:1f.0/remove"));
    }
}
