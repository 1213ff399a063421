//! The check `libvirt`: whether the libvirt of the host answers, and what it tells of itself.

use std::fmt;

use roxmltree::Document;

use super::distribution::{Distribution, Package};
use super::{CheckLine, Root};
use crate::libvirt::{Connection, LibvirtError};

const CHECK: &str = "libvirt";

/// What a libvirt told of itself.
#[derive(Debug)]
pub struct LibvirtHost {
    uri: String,
    heard: Result<Heard, LibvirtError>,
}

#[derive(Debug)]
struct Heard {
    version: Option<Version>,
    emulators: Vec<String>,
}

/// A version of libvirt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32, pub(super) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl LibvirtHost {
    /// Asks the libvirt of `connection`. Blocks until it has answered; its first answer can take some seconds, since it
    /// asks its QEMUs.
    #[must_use]
    pub fn ask(connection: &Connection) -> Self {
        match connection.describe() {
            Ok(told) => Self::told(connection.uri(), &told.version, &told.capabilities),
            Err(error) => Self { uri: connection.uri().to_owned(), heard: Err(error) },
        }
    }

    /// The libvirt at `uri`, of which `virsh version --daemon` prints `told_version`, and `virsh capabilities`
    /// `capabilities`.
    #[must_use]
    pub fn told(uri: &str, told_version: &str, capabilities: &str) -> Self {
        let heard = Heard { version: version(told_version), emulators: emulators(capabilities) };
        Self { uri: uri.to_owned(), heard: Ok(heard) }
    }

    /// Whether it is a user's own, whose QEMUs run as that user.
    pub(super) fn is_of_a_session(&self) -> bool {
        let path = self.uri.split('?').next().unwrap_or_default();
        path.ends_with("/session")
    }

    /// Its version, if it answered.
    pub(super) fn version(&self) -> Option<Version> {
        self.heard.as_ref().ok()?.version
    }

    /// Its QEMUs for the host's own architecture.
    pub(super) fn emulators(&self) -> impl Iterator<Item = &str> {
        self.heard.iter().flat_map(|heard| &heard.emulators).map(String::as_str)
    }

    /// Whether it answered.
    pub(super) fn line(&self, root: &Root) -> CheckLine {
        match &self.heard {
            Ok(Heard { version: Some(version), .. }) => {
                CheckLine::ok(CHECK, format!("{} answers, libvirt {version}", self.uri))
            }
            Ok(Heard { version: None, .. }) => CheckLine::ok(CHECK, format!("{} answers", self.uri)),
            // A host can have QEMU alone.
            Err(LibvirtError::NoVirsh) => {
                CheckLine::unknown(CHECK, "virsh is not installed: libvirt cannot be asked")
                    .then(Distribution::of(root).installs(Package::Virsh))
            }
            Err(LibvirtError::Connect { uri, message, .. }) => {
                let next = remedy(root, uri, message);
                CheckLine::failed(CHECK, format!("cannot connect to {uri}: {message}"), next)
            }
            Err(error) => CheckLine::failed(CHECK, error.to_string(), list(&self.uri)),
        }
    }
}

/// What helps where libvirt says `message` instead of answering.
fn remedy(root: &Root, uri: &str, message: &str) -> String {
    if message.contains("Permission denied") || message.contains("authentication") {
        "usermod -aG libvirt USER".to_owned()
    } else if message.contains("No such file or directory") || message.contains("Connection refused") {
        let service = if root.has(MODULAR) { "virtqemud.socket" } else { "libvirtd" };
        format!("systemctl start {service}")
    } else {
        list(uri)
    }
}

fn list(uri: &str) -> String {
    format!("virsh -c {uri} list --all")
}

/// Where systemd is told to start the QEMU part of a libvirt that is in parts.
const MODULAR: &str = "/etc/systemd/system/sockets.target.wants/virtqemud.socket";

/// The daemon's version in what `virsh version --daemon` prints, or else that of the library, which it prints first.
fn version(text: &str) -> Option<Version> {
    let after = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key));
    let text = after("Running against daemon:").or_else(|| after("Using library: libvirt"))?;
    let mut parts = text.trim().split('.').map(|part| part.parse().unwrap_or(0));
    Some(Version(parts.next()?, parts.next().unwrap_or(0), parts.next().unwrap_or(0)))
}

/// The emulators for the host's own architecture in what `virsh capabilities` prints.
fn emulators(xml: &str) -> Vec<String> {
    let Ok(document) = Document::parse(xml) else { return Vec::new() };
    let element = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
    let cpu = element("cpu").flat_map(|cpu| cpu.children()).find(|node| node.has_tag_name("arch"));
    let Some(host) = cpu.and_then(|arch| arch.text()) else { return Vec::new() };
    let guests = element("arch").filter(|arch| arch.attribute("name") == Some(host));
    let named = guests.flat_map(|arch| arch.children()).filter(|node| node.has_tag_name("emulator"));
    named.filter_map(|node| node.text()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_s_version_counts_before_that_of_virsh() {
        let text =
            "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.1.0\nUsing API: QEMU 9.1.0\n";
        assert_eq!(version(text), Some(Version(9, 1, 0)));
        let text = format!("{text}Running hypervisor: QEMU 7.2.22\nRunning against daemon: 4.0.0\n");
        assert_eq!(version(&text), Some(Version(4, 0, 0)));
        assert!(Version(5, 9, 0) < Version(5, 10, 0) && Version(9, 0, 0) > Version(5, 10, 0));
        assert_eq!(version(""), None);
    }

    #[test]
    fn the_emulators_of_other_architectures_do_not_count() {
        let xml = "<capabilities><host><cpu><arch>x86_64</arch></cpu></host>\
                   <guest><arch name='i686'><emulator>/i386</emulator></arch></guest>\
                   <guest><arch name='x86_64'><emulator>/opt/qemu</emulator>\
                   <domain type='kvm'><emulator>/usr/libexec/qemu-kvm</emulator></domain></arch></guest></capabilities>";
        assert_eq!(emulators(xml), ["/opt/qemu"]);
        assert!(emulators("no xml").is_empty());
    }

    #[test]
    fn a_session_is_known_by_its_uri() {
        let of = |uri: &str| {
            LibvirtHost { uri: uri.to_owned(), heard: Err(LibvirtError::NoVirsh) }.is_of_a_session()
        };
        assert!(of("qemu:///session") && of("qemu:///session?socket=/x"));
        assert!(!of("qemu:///system") && !of("qemu:///embed?root=/session"));
    }
}
