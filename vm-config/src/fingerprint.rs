//! What a domain's configuration is beside the device, in one number.

use std::collections::BTreeMap;

use roxmltree::Node;

use crate::Domain;
use crate::domain::document;
use crate::edits::{Name, attributes, key_of_controller, name, text};

/// A number for everything in `domain` but the device of `region` and the PCI controllers, on which it may sit: the same
/// before and after the device comes or goes, and another one after any other edit.
///
/// It is the same on every machine and in every version of this crate that keeps it between runs. As with
/// [`edits_since`](crate::edits_since), comments, white space between elements and the order of attributes do not count, nor
/// does that of elements of different names below `<domain>` and `<devices>`, or of controllers.
#[must_use]
pub fn fingerprint(domain: &Domain<'_>, region: &str) -> u64 {
    let mut sum = Sum::new();
    // It was read once already, so there is a document.
    if let Ok(document) = document(domain.text()) {
        let root = document.root_element();
        sum.head(root);
        for child in ordered(root.children()) {
            if child.has_tag_name("devices") {
                sum.head(child);
                let counts = |device: &Node<'_, '_>| !is_left_out(*device, region);
                ordered(child.children().filter(counts)).into_iter().for_each(|device| sum.whole(device));
            } else {
                sum.whole(child);
            }
        }
    }
    sum.0
}

/// The elements of `nodes`, in an order that does not depend on where libvirt puts those of one name.
fn ordered<'a, 'input: 'a>(nodes: impl Iterator<Item = Node<'a, 'input>>) -> Vec<Node<'a, 'input>> {
    let mut groups: BTreeMap<Name<'_>, Vec<Node<'_, '_>>> = BTreeMap::new();
    for node in nodes.filter(Node::is_element) {
        groups.entry(name(node)).or_default().push(node);
    }
    if let Some(controllers) = groups.get_mut(&(None, "controller")) {
        controllers.sort_by_key(key_of_controller);
    }
    groups.into_values().flatten().collect()
}

fn is_left_out(device: Node<'_, '_>, region: &str) -> bool {
    let is = |attribute, value| device.attribute(attribute) == Some(value);
    device.has_tag_name("controller") && is("type", "pci")
        || device.has_tag_name("shmem") && is("name", region)
}

/// FNV-1a of 64 bits: small, and the same everywhere. Nobody gains by two domains with one sum.
struct Sum(u64);

impl Sum {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds `part`, of which the end counts.
    fn add(&mut self, part: &str) {
        // No text in XML has this byte.
        for byte in part.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds `node` without the elements in it.
    fn head(&mut self, node: Node<'_, '_>) {
        self.name(name(node));
        for (name, value) in attributes(node) {
            // libvirt sets it by itself when a device comes.
            if name.1 != "multifunction" {
                self.name(name);
                self.add(value);
            }
        }
        self.add(&text(node));
    }

    /// Adds `node` with all that is in it.
    fn whole(&mut self, node: Node<'_, '_>) {
        for element in node.descendants().filter(Node::is_element) {
            self.head(element);
            self.add(&element.children().filter(Node::is_element).count().to_string());
        }
    }

    fn name(&mut self, (namespace, name): Name<'_>) {
        self.add(namespace.unwrap_or_default());
        self.add(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "<domain type='kvm'><name>web1</name><memory unit='KiB'>65536</memory><metadata><a><b>x</b></a></metadata>\
        <devices><disk type='file'><source file='/a'/></disk><disk type='file'><source file='/b'/></disk>\
        <controller type='usb' index='0'/><controller type='virtio-serial' index='0'/>\
        <controller type='pci' index='1' model='pcie-root-port'><address type='pci' bus='0' slot='1'/></controller>\
        <rng><address type='pci' bus='1' slot='0'/></rng></devices></domain>";

    fn of(text: &str) -> u64 {
        fingerprint(&Domain::read(text.as_bytes()).unwrap(), "fg_i3")
    }

    fn after(old: &str, new: &str) -> u64 {
        assert_eq!(DOMAIN.matches(old).count(), 1, "{old}");
        of(&DOMAIN.replace(old, new))
    }

    #[test]
    fn the_device_and_what_comes_with_it_do_not_count() {
        for (old, new) in [
            ("</devices>", "<shmem name='fg_i3'><size unit='M'>8</size></shmem></devices>"),
            ("</devices>", "<controller type='pci' index='2'/><shmem name='fg_i3'/></devices>"),
            ("slot='1'/>", "slot='1' multifunction='on'/>"),
            ("<name>web1</name>", "\n <!-- x -->\n <name> web1 </name>"),
            ("<devices>", "<devices><controller index='0' type='pci'/>"),
        ] {
            assert_eq!(after(old, new), of(DOMAIN), "{new}");
        }
        let moved = DOMAIN.replace("<controller type='usb' index='0'/>", "");
        assert_eq!(
            of(&moved.replace("</devices>", "<controller type='usb' index='0'/></devices>")),
            of(DOMAIN)
        );
    }

    #[test]
    fn every_other_edit_counts() {
        let mut seen = vec![of(DOMAIN)];
        for (old, new) in [
            ("65536", "65537"),
            ("'KiB'", "'MiB'"),
            ("<b>x</b>", "<b>y</b>"),
            ("<b>x</b>", "<b/>x"),
            ("type='kvm'", "type='qemu'"),
            ("<source file='/b'/>", ""),
            ("'/a'", "'/c'"),
            ("<disk type='file'><source file='/a'/></disk>", ""),
            ("</devices>", "<shmem name='other'/></devices>"),
            ("<controller type='usb' index='0'/>", ""),
            ("<rng>", "<rng model='virtio'>"),
            ("web1", "web2"),
        ] {
            let sum = after(old, new);
            assert!(!seen.contains(&sum), "{new}");
            seen.push(sum);
        }
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        assert_eq!(of("<domain type='kvm'><name>a</name><devices/></domain>"), 0x19c5_3aa3_1193_fc80);
    }
}
