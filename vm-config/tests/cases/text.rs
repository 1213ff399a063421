//! Every byte stays as it was, whatever the text looks like; and what is no text of a domain.

use ivring_vm_config::{Domain, Notice, Plan, Unreadable};

use crate::fixture::*;

const HEAD: &str = "<domain type='kvm'>\n  <name>web1</name>\n";

#[test]
fn the_device_looks_like_its_neighbours() {
    let before = domain("pc", "");
    let expected = before.replace(
        "  </devices>",
        "    <shmem name='fg_i3'>\n      <model type='ivshmem-plain'/>\n      <size unit='M'>8</size>\n      \
         <alias name='ua-fg_i3'/>\n      <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' \
         function='0x0'/>\n    </shmem>\n  </devices>",
    );
    assert_eq!(patched(&before, &request()), expected);
}

#[test]
fn case_10_no_devices() {
    let tail = "  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'/>\n</domain>\n";
    let patched = patched(&format!("{HEAD}{tail}"), &request());
    assert!(
        patched.starts_with(&format!("{HEAD}  <devices><!-- added by ivring-vm-config -->\n    <shmem "))
    );
    assert!(patched.ends_with(&format!("\n    </shmem>\n  </devices>\n{tail}")), "{patched}");
}

#[test]
fn case_11_self_closing_devices() {
    for devices in ["<devices/>", "<devices />", "<devices\n/>", "<devices a='/>'/>"] {
        let patched = patched(&format!("{HEAD}  {devices}\n</domain>\n"), &request());
        let start = devices.trim_end_matches("/>");
        let expected =
            format!("{HEAD}  {start}><!-- expanded by ivring-vm-config -->\n    <shmem name='fg_i3'>\n");
        assert!(patched.starts_with(&expected), "{patched}");
        assert!(patched.ends_with("\n    </shmem>\n  </devices>\n</domain>\n"), "{patched}");
    }
    for devices in [
        "<devices></devices>",
        "<devices> </devices>",
        "<devices>\n\n  </devices >",
        "<devices>&#10;</devices>",
    ] {
        patched(&format!("{HEAD}  {devices}\n</domain>\n"), &request());
    }
}

#[test]
fn a_device_added_meanwhile_stays_and_the_marker_goes() {
    let patched = patched(&format!("{HEAD}  <devices/>\n</domain>\n"), &request());
    let more = patched.replace("  </devices>", "    <rng/>\n  </devices>");
    assert_eq!(removed(&more), format!("{HEAD}  <devices>\n    <rng/>\n  </devices>\n</domain>\n"));
}

#[test]
fn case_12_closing_tags_that_are_none() {
    let xml =
        domain("pc", "    <!-- </devices> <shmem name='fg_i3'/> -->\n    <a><![CDATA[</devices>]]></a>\n")
            .replace("  <os>", "  <description><![CDATA[</devices></domain>]]></description>\n  <os>");
    let patched = patched(&xml, &request());
    assert!(patched.contains("</a>\n    <shmem name='fg_i3'>\n"), "{patched}");
}

#[test]
fn case_13_devices_of_other_namespaces() {
    let metadata = "  <metadata><devices/><x:devices xmlns:x='urn:x'><shmem name='fg_i3'/></x:devices></metadata>\n  \
                    <devices xmlns='urn:y'><shmem name='fg_i3'/></devices>\n";
    let xml = domain("pc", "").replace("  <os>", &format!("{metadata}  <os>"));
    let patched = patched(&xml, &request());
    assert!(patched.contains("</emulator>\n    <shmem name='fg_i3'>\n"), "{patched}");
    let other = xml.replacen("<domain ", "<domain xmlns='urn:z' ", 1);
    assert!(matches!(unreadable(other.as_bytes()), Unreadable::Namespace { .. }));
}

#[test]
fn case_14_line_ends_tabs_byte_order_mark_one_line() {
    let xml = domain("pc", "");
    let crlf = patched(&xml.replace('\n', "\r\n"), &request());
    assert_eq!(crlf.matches('\n').count(), crlf.matches("\r\n").count());
    let tabs = patched(&xml.replace("  ", "\t"), &request());
    assert!(tabs.contains("\n\t\t<shmem name='fg_i3'>\n\t\t\t<model "), "{tabs}");
    let marked = patched(&format!("\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n{xml}"), &request());
    assert!(marked.starts_with('\u{feff}'));
    patched(xml.trim_end(), &request());
    let one_line = patched(&xml.replace(['\n'], "").replace("  ", ""), &request());
    assert_eq!(one_line.lines().count(), 1, "{one_line}");
}

#[test]
fn case_15_double_quotes() {
    let patched = patched(&domain("pc", "").replace('\'', "\""), &request());
    assert!(!patched.contains('\''), "{patched}");
}

#[test]
fn case_16_other_encodings() {
    let declared = format!("<?xml version='1.0' encoding='ISO-8859-1'?>\n{}", domain("pc", ""));
    let error = unreadable(declared.as_bytes());
    assert!(matches!(&error, Unreadable::OtherEncoding { name, .. } if name == "ISO-8859-1"), "{error}");
    assert_eq!(error.position().unwrap().to_string(), "1:31");
    let utf_16: Vec<u8> = domain("pc", "").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(unreadable(&utf_16).code(), "not-utf-8");
    let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf_16).collect();
    assert_eq!(unreadable(&marked).code(), "not-utf-8");
    let latin: Vec<u8> =
        domain("pc", "").bytes().map(|byte| if byte == b'w' { 0xe4 } else { byte }).collect();
    assert_eq!(unreadable(&latin).position().unwrap().to_string(), "2:9");
}

#[test]
fn case_17_document_types_and_entities() {
    let xml = format!("<?xml version='1.0'?>\n<!DOCTYPE domain [<!ENTITY a 'b'>]>\n{}", domain("pc", ""));
    let error = unreadable(xml.as_bytes());
    assert_eq!((error.code(), error.position().unwrap().to_string().as_str()), ("doctype", "2:1"));
    assert_eq!(unreadable(domain("pc", "&x;").as_bytes()).code(), "not-xml");
}

#[test]
fn case_18_the_warning_in_the_head_of_libvirts_files() {
    let head = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n";
    assert!(patched(&format!("{head}{}", domain("pc", "")), &request()).starts_with(head));
}

#[test]
fn case_19_two_documents() {
    for between in ["", "\n", "<!-- -->\n"] {
        let xml = format!("{}{between}{}", domain("pc", ""), domain("pc", ""));
        let error = unreadable(xml.as_bytes());
        assert_eq!(error.code(), "several-documents", "{error}");
        assert!(error.position().unwrap().line >= 11, "{error:?}");
    }
    let error = unreadable(b"<domain>\n<a></b></domain>");
    assert_eq!((error.code(), error.position().unwrap().line), ("not-xml", 2));
    assert_eq!(unreadable(b"<domain type='kvm'><a/>").code(), "not-xml");
}

#[test]
fn case_20_other_root_elements() {
    for root in ["domainsnapshot", "domstatus", "node", "capabilities", "network", "domains"] {
        let error = unreadable(format!("<{root}>{}</{root}>", domain("pc", "")).as_bytes());
        assert_eq!(error.code(), "no-domain");
        assert!(error.to_string().contains(&format!("<{root}>")), "{error}");
    }
    assert_eq!(unreadable(b" \n").code(), "empty");
    assert_eq!(unreadable(b"").code(), "empty");
    assert_eq!(unreadable(b"<domain type='kvm'/>").code(), "empty-domain");
    assert_eq!(unreadable(&vec![b' '; (16 << 20) + 1]).code(), "too-large");
}

#[test]
fn case_21_a_running_domain() {
    let xml = domain("pc", "").replace("type='kvm'", "type='kvm' id='3'");
    patched(&xml, &request());
    let domain = Domain::read(xml.as_bytes()).unwrap();
    assert!(domain.live().is_some());
    let plan = Plan::install(&domain, &request()).unwrap();
    assert!(matches!(plan.notices(), [Notice::Live(_)]));
}

#[test]
fn case_22_domains_that_qemu_does_not_run() {
    for kind in ["xen", "lxc", "bhyve", "vmware", "vz", "hvf", "test", ""] {
        let xml = domain("pc", "").replace("kvm", kind);
        let refused = refused(&xml, &request());
        assert_eq!((refused.reason.code(), refused.at.unwrap().to_string().as_str()), ("domain-type", "1:1"));
    }
}

#[test]
fn case_45_names_of_every_kind() {
    for name in ["a&amp;b", "two words", "ümläut", "--all"] {
        let xml = domain("pc", "").replace("web1", name);
        patched(&xml, &request());
        let read = Domain::read(xml.as_bytes()).unwrap();
        assert_eq!(read.name(), Some(name.replace("&amp;", "&").as_str()));
    }
}

#[test]
fn case_52_memory_kept_from_the_host() {
    let xml = domain("q35", "").replace("  <devices>", "  <launchSecurity type='sev'/>\n  <devices>");
    let read = Domain::read(xml.as_bytes()).unwrap();
    assert_eq!(Plan::install(&read, &request()).unwrap().notices(), [Notice::Protected]);
}

#[test]
fn a_device_written_by_hand_is_taken_out_with_its_line() {
    let first = domain("pc", "").replace("    <emulator>", "    <shmem name='fg_i3'/>\n    <emulator>");
    assert_eq!(removed(&first), domain("pc", ""));
    assert_eq!(removed(&domain("pc", &shmem("fg_i3", ""))), domain("pc", ""));
}
