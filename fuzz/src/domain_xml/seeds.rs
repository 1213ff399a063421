//! Inputs to begin with: domains of several shapes, with the device and without.

use ivring_vm_config::Action;

use super::{Reached, run};
use crate::seed::Seed;

/// Whatever is asked for by default.
const DEFAULT: [u8; 7] = [0, 3, 0, 0, 0, 0, 0];
/// The same in the place of what differs.
const REPLACE: [u8; 7] = [0, 3, 0, 0, 0, 0, 1];
/// A region of the domain's own, with the role master, wherever libvirt likes.
const OWN: [u8; 7] = [0, 3, 1, 0, 3, 1, 0];

const PC: &str = "<domain type='kvm'>\n  <name>web1</name>\n  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n  <os>\n    \
<type arch='x86_64' machine='pc'>hvm</type>\n  </os>\n  <features><acpi/></features>\n  <devices>\n    <disk type='file'>\n      \
<source file='/a'/>\n      <alias name='ua-disk'/>\n      <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' \
function='0x0'/>\n    </disk>\n  </devices>\n</domain>\n";
const Q35: &str = "<?xml version='1.0' encoding='utf-8'?>\n<domain type='kvm' id='3'><uuid>c7a5fdbdedaf9455926ad65c16db1809</uuid>\
<os><type machine=\"pc-q35-7.2\">hvm</type></os><features><acpi/></features><devices>\
<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>\
<controller type='pci' index='2' model='pcie-to-pci-bridge'><address type='pci' bus='1' slot='0'/></controller>\
</devices></domain>";
const DEVICE: &str = "<domain type='kvm'><os><type machine='pc'>hvm</type></os><devices><!-- x --><shmem name='fg_i3'>\
<model type='ivshmem-plain'/><size unit='M'>16</size></shmem><shmem name='other' role='peer'><server path='/s'/>\
<msi vectors='2'/></shmem></devices></domain>";
const COMMAND_LINE: &str = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n<os><type \
machine='pc'>hvm</type></os>\n<devices/>\n<qemu:commandline>\n<qemu:arg value='-object'/>\n<qemu:arg \
value='memory-backend-file,id=m,mem-path=/dev/shm/fg_i3,size=8M,share=on'/>\n<qemu:arg value='-device'/>\n<qemu:arg \
value='ivshmem-plain,memdev=m,addr=0x10'/>\n</qemu:commandline>\n</domain>";
const BARE: &str = "\u{feff}<domain type='qemu'><os><type>hvm</type></os></domain>";

fn reach(name: &str, request: [u8; 7], xml: &str) -> Reached {
    run(&Seed::default().bytes(request).bytes(xml).save("domain-xml", name))
}

#[test]
fn domains_get_the_device_and_lose_it() {
    for (name, request, xml) in [
        ("pc", DEFAULT, PC),
        ("q35", DEFAULT, Q35),
        ("own", OWN, PC),
        ("q35-own", OWN, Q35),
        ("bare", DEFAULT, BARE),
    ] {
        let reached = reach(name, request, xml);
        assert_eq!(
            (reached.installed, reached.removed),
            (Some(Action::Insert), Some(Action::Remove)),
            "{name}"
        );
    }
    assert!(reach("plugged", DEFAULT, PC).plugged.is_some());
}

#[test]
fn what_differs_is_refused_or_replaced() {
    assert_eq!(reach("differs", DEFAULT, DEVICE).installed, None);
    assert_eq!(reach("replaced", REPLACE, DEVICE).installed, Some(Action::Replace));
    assert_eq!(reach("command-line", DEFAULT, COMMAND_LINE).installed, None);
    assert!(!reach("doctype", DEFAULT, "<!DOCTYPE d><domain><os/></domain>").read);
}
