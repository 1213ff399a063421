//! Whether somebody has edited a domain since its XML was kept.

use std::collections::{BTreeMap, HashSet};

use roxmltree::Node;

use crate::domain::{document, printable};
use crate::{Domain, added_controllers};

/// How many differences are told.
const MOST_TOLD: usize = 8;

/// How deep differences are located. libvirt's own elements go to a tenth of it; only `<metadata>` may go deeper.
const DEEPEST: usize = 64;

/// Where two XML documents of one domain differ beside the device of `region` and the controllers that came with it:
/// up to 8 paths such as `domain/memory` or `domain/devices/disk[2]/source@file`, without what is there. It is empty
/// if nobody has edited the domain.
///
/// Either may have the device. Both are to be of the same kind: inactive, and with the secrets or without. Comments,
/// white space between elements, the order of attributes and that of elements of different names do not count, nor
/// does what libvirt changes by itself when the device comes: the order of controllers, and `multifunction` where it
/// was not written.
#[must_use]
pub fn edits_since(before: &Domain<'_>, now: &Domain<'_>, region: &str) -> Vec<String> {
    let (Ok(old), Ok(new)) = (document(before.text()), document(now.text())) else {
        // Not to be: they were read once already.
        return vec!["domain".to_owned()];
    };
    let left_out = [left_out(before, now, region), left_out(now, before, region)];
    let mut comparison = Comparison { left_out, told: Vec::new() };
    comparison.elements(old.root_element(), new.root_element(), "domain", 0);
    comparison.told.truncate(MOST_TOLD);
    comparison.told
}

/// Where the elements begin that `domain` has for the device of `region`.
fn left_out(domain: &Domain<'_>, other: &Domain<'_>, region: &str) -> HashSet<usize> {
    let devices = domain.existing().iter().filter(|shmem| shmem.name() == region).map(|shmem| shmem.range());
    devices.chain(added_controllers(other, domain, region)).map(|range| range.start).collect()
}

/// A name with its namespace.
pub(crate) type Name<'a> = (Option<&'a str>, &'a str);

struct Comparison {
    /// The elements that do not count, of the old and the new document.
    left_out: [HashSet<usize>; 2],
    told: Vec<String>,
}

impl Comparison {
    fn elements(&mut self, old: Node<'_, '_>, new: Node<'_, '_>, path: &str, depth: usize) {
        if self.told.len() >= MOST_TOLD {
            return;
        }
        if depth == DEEPEST {
            if !same(old, new) {
                self.told.push(path.to_owned());
            }
            return;
        }
        self.attributes(old, new, path);
        if text(old) != text(new) {
            self.told.push(path.to_owned());
        }
        let mut groups: BTreeMap<Name<'_>, [Vec<Node<'_, '_>>; 2]> = BTreeMap::new();
        for (which, parent) in [old, new].into_iter().enumerate() {
            for child in parent.children().filter(Node::is_element) {
                if !self.left_out[which].contains(&child.range().start) {
                    groups.entry(name(child)).or_default()[which].push(child);
                }
            }
        }
        for ((_, name), [mut old, mut new]) in groups {
            if path == "domain/devices" && name == "controller" {
                old.sort_by_key(key_of_controller);
                new.sort_by_key(key_of_controller);
            }
            self.siblings(&old, &new, &format!("{path}/{}", printable(name)), depth + 1);
        }
    }

    fn attributes(&mut self, old: Node<'_, '_>, new: Node<'_, '_>, path: &str) {
        let (old, new) = (attributes(old), attributes(new));
        let names: BTreeMap<&Name<'_>, ()> = old.keys().chain(new.keys()).map(|name| (name, ())).collect();
        for name in names.into_keys() {
            let by_libvirt = name.1 == "multifunction" && !old.contains_key(name);
            if old.get(name) != new.get(name) && !by_libvirt {
                self.told.push(format!("{path}@{}", printable(name.1)));
            }
        }
    }

    /// Compares elements of one name and one parent.
    fn siblings(&mut self, old: &[Node<'_, '_>], new: &[Node<'_, '_>], path: &str, depth: usize) {
        let alike = |(old, new): &(&Node<'_, '_>, &Node<'_, '_>)| same(**old, **new);
        let first = old.iter().zip(new).take_while(alike).count();
        let (old_rest, new_rest) = (&old[first..], &new[first..]);
        let last = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(alike).count();
        let (old_rest, new_rest) = (&old_rest[..old_rest.len() - last], &new_rest[..new_rest.len() - last]);
        if old_rest.len() != new_rest.len() {
            self.told.push(path.to_owned());
            return;
        }
        for (at, (old_one, new_one)) in old_rest.iter().zip(new_rest).enumerate() {
            if old.len() == 1 {
                self.elements(*old_one, *new_one, path, depth);
            } else {
                self.elements(*old_one, *new_one, &format!("{path}[{}]", first + at + 1), depth);
            }
        }
    }
}

pub(crate) fn name<'a>(node: Node<'a, '_>) -> Name<'a> {
    (node.tag_name().namespace(), node.tag_name().name())
}

pub(crate) fn attributes<'a>(node: Node<'a, '_>) -> BTreeMap<Name<'a>, &'a str> {
    node.attributes()
        .map(|attribute| ((attribute.namespace(), attribute.name()), attribute.value()))
        .collect()
}

/// The text of `node` itself, without the white space around the parts of it. Of `<devices>`, where libvirt knows no text, it
/// is without any: some comes and goes with the device.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    let parts = node.children().filter(Node::is_text).filter_map(|part| part.text());
    if node.has_tag_name("devices") {
        return parts.flat_map(str::split_whitespace).collect();
    }
    parts.map(str::trim).collect()
}

/// Whether two elements are the same with the same order inside.
fn same(old: Node<'_, '_>, new: Node<'_, '_>) -> bool {
    let mut old = old.descendants().filter(Node::is_element);
    let mut new = new.descendants().filter(Node::is_element);
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(old), Some(new)) if same_head(old, new) => {}
            _ => return false,
        }
    }
}

/// Whether two elements are the same but for what their child elements are.
fn same_head(old: Node<'_, '_>, new: Node<'_, '_>) -> bool {
    let children = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
    name(old) == name(new)
        && attributes(old) == attributes(new)
        && text(old) == text(new)
        && children(old) == children(new)
}

/// An order of controllers that does not depend on where they are.
pub(crate) fn key_of_controller(controller: &Node<'_, '_>) -> [String; 2] {
    ["type", "index"].map(|name| controller.attribute(name).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "<domain type='kvm'>
  <name>web1</name>
  <memory unit='KiB'>65536</memory>
  <metadata><a:app xmlns:a='urn:app'><a:note>x</a:note></a:app></metadata>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/><boot dev='cdrom'/></os>
  <devices>
    <disk type='file'><source file='/a'/><target dev='vda'/></disk>
    <disk type='file'><source file='/b'/><target dev='vdb'/></disk>
    <disk type='file'><source file='/c'/><target dev='vdc'/></disk>
    <controller type='usb' index='0'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'><address type='pci' bus='0' slot='1'/></controller>
    <graphics type='vnc' passwd='geheim'/>
  </devices>
</domain>
";

    /// What libvirt adds with the device, and the device.
    const ADDED: &str = "<controller type='pci' index='2' model='pcie-to-pci-bridge'><address type='pci' bus='1' \
                         slot='0'/></controller><shmem name='fg_i3'><address type='pci' bus='2' slot='1'/></shmem>";

    fn edits(before: &str, now: &str) -> Vec<String> {
        let read = |text: &'static str| Domain::read(text.as_bytes()).unwrap();
        let (before, now): (&str, &str) = (before.to_owned().leak(), now.to_owned().leak());
        edits_since(&read(before), &read(now), "fg_i3")
    }

    /// What is told after each `(old, new)` in the text.
    fn edited(changes: &[(&str, &str)]) -> Vec<String> {
        let mut now = DOMAIN.to_owned();
        for (old, new) in changes {
            assert_eq!(now.matches(old).count(), 1, "{old}");
            now = now.replace(old, new);
        }
        let there = edits(DOMAIN, &now);
        assert_eq!(edits(&now, DOMAIN).len(), there.len());
        there
    }

    #[test]
    fn what_means_the_same_is_no_edit() {
        for changes in [
            &[] as &[_],
            &[("\n  <name>", "<!-- x -->\n\n\t<name>"), ("web1<", " web1 <")],
            &[("<controller type='usb' index='0'/>", "<controller  index=\"0\" type='usb'></controller>")],
            &[
                ("a:app xmlns:a='urn:app'", "b:app xmlns:b='urn:app'"),
                ("a:note>x</a:note", "b:note>x</b:note"),
                ("/a:app", "/b:app"),
            ],
            &[
                ("\n    <graphics type='vnc' passwd='geheim'/>", ""),
                ("<devices>", "<devices><graphics type='vnc' passwd='geheim'/>"),
            ],
            &[
                ("\n    <controller type='usb' index='0'/>", ""),
                ("    <graphics", "<controller type='usb' index='0'/><graphics"),
            ],
        ] {
            assert_eq!(edited(changes), [""; 0], "{changes:?}");
        }
    }

    #[test]
    fn edits_are_told_by_where_they_are() {
        for (old, new, path) in [
            ("65536", "65537", "domain/memory"),
            ("'KiB'", "'MiB'", "domain/memory@unit"),
            (" unit='KiB'", "", "domain/memory@unit"),
            ("type='kvm'", "type='qemu'", "domain@type"),
            ("'/b'", "'/x'", "domain/devices/disk[2]/source@file"),
            ("<source file='/c'/>", "", "domain/devices/disk[3]/source"),
            (
                "'/b'/><target dev='vdb'/>",
                "'/b'><target dev='vdb'/></source>",
                "domain/devices/disk[2]/source/target",
            ),
            ("<target dev='vda'/>", "<target dev='vda'/><serial>1</serial>", "domain/devices/disk[1]/serial"),
            (
                "    <disk type='file'><source file='/a'/><target dev='vda'/></disk>\n",
                "",
                "domain/devices/disk",
            ),
            ("<name>web1", "<title>a</title><name>web1", "domain/title"),
            ("urn:app", "urn:other", "domain/metadata/app"),
            ("a:note>x<", "a:note><y/><", "domain/metadata/app/note"),
            ("geheim", "verraten", "domain/devices/graphics@passwd"),
            ("model='pcie-root'", "model='pci-root'", "domain/devices/controller[1]@model"),
            ("<controller type='pci' index='0' model='pcie-root'/>", "", "domain/devices/controller"),
            (
                "<boot dev='hd'/><boot dev='cdrom'/>",
                "<boot dev='cdrom'/><boot dev='hd'/>",
                "domain/os/boot[1]@dev",
            ),
            ("<devices>", "<devices><shmem name='other'/>", "domain/devices/shmem"),
            (
                "<devices>",
                "<devices><controller type='pci' index='2' model='pcie-root-port'/>",
                "domain/devices/controller",
            ),
            ("slot='1'/>", "slot='1' function='1'/>", "domain/devices/controller[2]/address@function"),
        ] {
            let told = edited(&[(old, new)]);
            assert_eq!(told.first().map(String::as_str), Some(path), "{told:?}");
            assert!(!told.concat().contains("geheim") && !told.concat().contains("verraten"));
        }
    }

    #[test]
    fn the_device_and_what_came_with_it_do_not_count() {
        let with_it = DOMAIN.replace("    <graphics", &format!("{ADDED}<graphics"));
        assert_eq!(edits(DOMAIN, &with_it), [""; 0]);
        assert_eq!(edits(&with_it, DOMAIN), [""; 0]);
        assert_eq!(
            edits(&with_it, &with_it.replace("<shmem name='fg_i3'>", "<shmem name='fg_i3' role='peer'>")),
            [""; 0]
        );
        for [beside, without] in [["a<shmem name='fg_i3'/> b", "a b"], ["a<shmem name='fg_i3'/>b", "ab"]] {
            let [with_it, without] =
                [beside, without].map(|text| DOMAIN.replace("<devices>", &format!("<devices>{text}")));
            assert_eq!(edits(&with_it, &without), [""; 0]);
        }
        let used = with_it.replace("<graphics", "<rng><address type='pci' bus='2' slot='2'/></rng><graphics");
        assert_eq!(edits(DOMAIN, &used), ["domain/devices/controller", "domain/devices/rng"]);
    }

    #[test]
    fn multifunction_is_set_by_libvirt_and_taken_away_by_people() {
        let several = DOMAIN.replace("slot='1'/>", "slot='1' multifunction='on'/>");
        assert_eq!(edits(DOMAIN, &several), [""; 0]);
        assert_eq!(edits(&several, DOMAIN), ["domain/devices/controller[2]/address@multifunction"]);
    }

    #[test]
    fn the_list_is_short() {
        let many: String = (0..100).map(|number| format!("<x{number}/>")).collect();
        let now = DOMAIN.replace("<metadata>", &format!("<metadata>{many}"));
        assert_eq!(edits(DOMAIN, &now).len(), MOST_TOLD);
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = |text: &str| {
            DOMAIN.replace(
                "<metadata>",
                &format!("<metadata>{}{text}{}", "<y>".repeat(5000), "</y>".repeat(5000)),
            )
        };
        assert_eq!(edits(&deep("1"), &deep("1")), [""; 0]);
        let told = edits(&deep("1"), &deep("2"));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].matches("/y").count(), DEEPEST - 1);
    }
}
