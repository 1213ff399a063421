//! Whose QEMU it is: libvirt's own are left to libvirt.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::monitor::unexpected;
use super::{Monitor, QmpError};

/// Folders whose sockets are libvirt's.
const FOLDERS: [&str; 3] = ["/var/lib/libvirt", "/run/libvirt", "/var/run/libvirt"];
/// The file of libvirt's monitors, in a folder `domain-NUMBER-NAME` wherever its state is kept.
const FILE: &str = "monitor.sock";
/// A secret that libvirt gives to each QEMU, to pass others with.
const SECRET: &str = "masterKey0";
/// What libvirt calls its connection to the monitor.
const CHANNEL: &str = "charmonitor";

/// Refuses a socket of libvirt's before it is touched: a monitor has one client, and that is libvirt.
///
/// # Errors
///
/// [`QmpError::Libvirt`]
pub fn check_socket(path: &Path) -> Result<(), QmpError> {
    // What cannot be resolved cannot be connected to either, and that says why.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let session = env::var_os("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("libvirt"));
    let folders = FOLDERS.iter().map(PathBuf::from).chain(session);
    let domain = real.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy());
    let is_monitor = real.file_name().is_some_and(|name| name == FILE)
        && domain.is_some_and(|it| it.starts_with("domain-"));
    if is_monitor || folders.into_iter().any(|folder| real.starts_with(folder)) {
        return Err(QmpError::Libvirt { evidence: format!("{} is a socket of libvirt's", real.display()) });
    }
    Ok(())
}

/// Refuses a QEMU that libvirt has started, whatever socket leads to it.
pub(super) fn check_process(monitor: &mut Monitor, objects: &[Value]) -> Result<(), QmpError> {
    let owned = |evidence: &str| Err(QmpError::Libvirt { evidence: evidence.to_owned() });
    if objects.iter().any(|object| object["name"] == SECRET) {
        return owned("this QEMU has libvirt's secret masterKey0");
    }
    let channels = monitor.execute("query-chardev", &json!({}))?;
    let list = channels.as_array().ok_or_else(|| unexpected("query-chardev", &channels))?;
    if list.iter().any(|channel| channel["label"] == CHANNEL) {
        return owned("this QEMU has a monitor of libvirt's");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sockets_of_libvirt_are_told_by_their_place_links_resolved() {
        for path in [
            "/var/lib/libvirt/qemu/domain-1-web1/monitor.sock",
            "/run/libvirt/qemu/x",
            "/home/me/.config/libvirt/qemu/lib/domain-3-a/monitor.sock",
        ] {
            assert!(matches!(check_socket(Path::new(path)), Err(QmpError::Libvirt { .. })), "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        let libvirts = folder.path().join("domain-1-x");
        fs::create_dir(&libvirts).unwrap();
        fs::write(libvirts.join(FILE), "").unwrap();
        let link = folder.path().join("innocent");
        symlink(libvirts.join(FILE), &link).unwrap();
        assert!(matches!(check_socket(&link), Err(QmpError::Libvirt { .. })));
        for path in [folder.path().join("monitor.sock"), "/run/web1.qmp".into(), "/run/libvirtish/x".into()] {
            check_socket(&path).unwrap();
        }
    }
}
