//! The device, or one like it, is there already.

use ivring_vm_config::{Domain, Notice, OnConflict, Plan, Reason, Request, Role, Shmem};

use crate::fixture::*;

fn with(children: &str) -> String {
    domain("pc", &shmem("fg_i3", children))
}

#[test]
fn case_01_present_with_the_same_parameters() {
    unchanged(&with(PLAIN_8M), &request());
    let address = "<alias name='x'/><address type='pci' bus='0' slot='7'/>";
    unchanged(&with(&format!("{PLAIN_8M}{address}")), &request());
}

#[test]
fn case_02_present_with_the_size_in_other_units() {
    for size in [
        "<size unit='KiB'>8192</size>",
        "<size>8388608</size>",
        "<size unit='MiB'>8</size>",
        "<size unit='m'> 8 </size>",
    ] {
        unchanged(&with(&format!("<model type='ivshmem-plain'/>{size}")), &request());
    }
}

#[test]
fn case_03_present_with_another_size() {
    for (size, expected) in [
        ("<size unit='M'>4</size>", "its size is 4M, not 8M"),
        ("", "its size is 4M, not 8M"),
        ("<size unit='MB'>8</size>", "its size is 8000000 bytes, not 8M"),
        ("<size unit='M'>many</size>", "its size \"manyM\" is none"),
    ] {
        let xml = with(&format!("<model type='ivshmem-plain'/>{size}"));
        assert_eq!(differences(&xml), expected);
        assert!(replaced(&xml).contains("<size unit='M'>8</size>"));
    }
    let refused = refused(&with("<model type='ivshmem-plain'/>"), &request());
    assert_eq!(refused.at.unwrap().to_string(), "9:5");
    assert!(refused.to_string().contains("--on-conflict replace"), "{refused}");
}

#[test]
fn case_04_present_as_the_legacy_device() {
    for model in ["", "<model type='ivshmem'/>"] {
        let xml = with(&format!("{model}<size unit='M'>8</size>"));
        assert!(differences(&xml).contains("legacy"), "{}", differences(&xml));
        replaced(&xml);
    }
}

#[test]
fn case_05_present_with_a_server() {
    let xml = with("<model type='ivshmem-doorbell'/><server path='/run/x'/>");
    assert!(differences(&xml).contains("its model is \"ivshmem-doorbell\""));
    assert!(!replaced(&xml).contains("<server"));
    let domain = Domain::read(xml.as_bytes()).unwrap();
    let error = Plan::remove(&domain, &request()).unwrap_err();
    assert!(matches!(error.reason, Reason::Differs { .. }), "{error}");
}

#[test]
fn case_06_present_twice() {
    let xml =
        domain("pc", &[shmem("fg_i3", PLAIN_8M), shmem("fg_i3", PLAIN_8M), device_at("slot='3'")].concat());
    let refused = refused(&xml, &request());
    assert_eq!(refused.reason.code(), "duplicate");
    assert_eq!(refused.at.unwrap().to_string(), "10:5");
    assert_eq!(replaced(&xml).matches("<shmem").count(), 1);
    assert_eq!(removed(&xml), domain("pc", &device_at("slot='3'")));
}

#[test]
fn case_07_another_ivshmem_stays_the_first() {
    let other = |address: &str| {
        shmem("looking-glass", &format!("<model type='ivshmem-plain'/><address type='pci' {address}/>"))
    };
    let xml = domain("pc", &other("slot='0x10'"));
    assert_eq!(address(&xml, &request()), "00:1f.0");
    let read = Domain::read(xml.as_bytes()).unwrap();
    assert!(Plan::install(&read, &request()).unwrap().notices().contains(&Notice::OtherIvshmem));
    assert_eq!(address(&xml, &with_slot("auto")), "00:11.0");
    assert_eq!(address(&domain("pc", &other("slot='0x1f'")), &request()), "auto");
    assert_eq!(address(&domain("q35", &other("slot='0x10'")), &request()), "00:11.0");
    assert_eq!(address(&domain("pc", &other("slot='0x12'")), &with_slot("prefer:0x10")), "00:13.0");
    let bridge = "    <controller type='pci' index='3' model='pcie-to-pci-bridge'/>\n";
    let xml = domain("q35", &[bridge, &other("bus='3' slot='0x10'")].concat());
    assert_eq!(address(&xml, &request()), "03:11.0");
}

fn with_arguments(arguments: &[&str]) -> String {
    let arguments: String = arguments.iter().map(|value| format!("<qemu:arg value='{value}'/>")).collect();
    domain("q35", "")
        .replace("type='kvm'", "type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'")
        .replace("</domain>", &format!("  <qemu:commandline>{arguments}</qemu:commandline>\n</domain>"))
}

#[test]
fn case_08_another_ivshmem_on_the_command_line() {
    for device in [
        "ivshmem-plain,memdev=lg,bus=pcie.0,addr=0x10",
        "{\"driver\":\"ivshmem-plain\",\"memdev\":\"lg\",\"bus\":\"pcie.0\",\"addr\":\"0x10\"}",
    ] {
        let xml =
            with_arguments(&["-object", "memory-backend-file,mem-path=/dev/kvmfr0,id=lg", "-device", device]);
        assert_eq!(address(&xml, &request()), "00:11.0");
        let taken = refused(&xml, &with_slot("exact:00:10.0"));
        assert!(matches!(taken.reason, Reason::AddressTaken { .. }), "{taken}");
    }
}

#[test]
fn only_arguments_of_device_are_devices() {
    let xml = with_arguments(&["-trace", "ivshmem-plain,bus=pcie.0,addr=0x10"]);
    assert_eq!(address(&xml, &with_slot("exact:00:10.0")), "00:10.0");
}

#[test]
fn case_09_the_region_is_on_the_command_line() {
    for argument in [
        "memory-backend-file,id=x,mem-path=/dev/shm/fg_i3,size=8M,share=on",
        "{\"qom-type\":\"memory-backend-file\",\"mem-path\":\"/dev/shm/fg_i3\"}",
        "ivshmem,shm=fg_i3,size=8m",
    ] {
        let xml = with_arguments(&["-object", argument]);
        for on_conflict in [OnConflict::Refuse, OnConflict::Replace] {
            assert_eq!(refused(&xml, &with_conflict(on_conflict)).reason.code(), "on-command-line");
        }
        unchanged(&xml, &with_conflict(OnConflict::Keep));
        let domain = Domain::read(xml.as_bytes()).unwrap();
        assert!(Plan::remove(&domain, &request()).is_err());
    }
    patched(&with_arguments(&["-object", "memory-backend-file,mem-path=/dev/shm/fg_i3-2"]), &request());
}

#[test]
fn an_alias_is_given_once() {
    let xml = domain("pc", "    <rng model='virtio'><alias name='ua-fg_i3'/></rng>\n");
    let refused = refused(&xml, &request());
    assert_eq!(refused.reason, Reason::AliasTaken { alias: "ua-fg_i3".to_owned() });
    assert_eq!(refused.at.unwrap().to_string(), "9:5");
}

#[test]
fn a_replacement_keeps_its_address_and_layout() {
    let xml = domain(
        "pc",
        "    <shmem name=\"fg_i3\">\n        <size unit=\"M\">4</size>\n        <address type=\"pci\" slot=\"9\"/>\n    \
         </shmem>\n",
    );
    let replaced = replaced(&xml);
    assert!(
        replaced.contains("    <shmem name=\"fg_i3\">\n        <model type=\"ivshmem-plain\"/>\n"),
        "{replaced}"
    );
    assert!(replaced.contains("slot=\"0x09\""), "{replaced}");
}

#[test]
fn a_replacement_may_stay_where_it_is_and_gets_no_address_from_none() {
    let old = |address: &str| domain("pc", &shmem("fg_i3", &format!("<address type='pci' {address}/>")));
    let xml = old("bus='0' slot='5'");
    let read = Domain::read(xml.as_bytes()).unwrap();
    let exact = with_slot("exact:00:05.0").with_conflict(OnConflict::Replace);
    let plan = Plan::install(&read, &exact).unwrap();
    assert_eq!(plan.address().unwrap().to_string(), "00:05.0");
    assert!(replaced(&old("bus='0' slot='0'")).contains("slot='0x1f'"));
}

#[test]
fn present_in_another_role() {
    let with_role = |role: &str| with(PLAIN_8M).replace("'fg_i3'", &format!("'fg_i3' role='{role}'"));
    assert_eq!(differences(&with_role("master")), "its role is \"master\", not none");
    unchanged(&with_role("peer"), &request().with_role(Some(Role::Peer)).unwrap());
}

#[test]
fn case_53_nothing_to_remove() {
    let xml = domain("pc", &shmem("looking-glass", PLAIN_8M));
    assert_eq!(removed(&xml), xml);
}

#[test]
fn a_region_of_its_own_is_named_by_the_uuid() {
    let request = Request::per_domain(Shmem::new("fg_i3", "8M".parse().unwrap()).unwrap()).unwrap();
    let xml = domain("pc", "");
    let name = "fg_i3-c7a5fdbd-edaf-9455-926a-d65c16db1809";
    let named = |xml: &str| {
        let read = Domain::read(xml.as_bytes()).unwrap();
        let plan = Plan::install(&read, &request).unwrap();
        assert_eq!(plan.device().region.name(), name);
        assert!(plan.carry_out(&read).contains(&format!("<shmem name='{name}'>")));
    };
    named(&xml);
    let without = xml.replace("  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n", "");
    assert_eq!(refused(&without, &request).reason, Reason::NoUuid);
    let strings = |kind: &str| {
        let entry = "<entry name='uuid'>C7A5FDBD-edaf-9455-926a-d65c16db1809</entry>";
        without.replace(
            "  <os>",
            &format!("  <sysinfo type='{kind}'><system>{entry}</system></sysinfo>\n  <os>"),
        )
    };
    named(&strings("smbios"));
    assert_eq!(refused(&strings("fwcfg"), &request).reason, Reason::NoUuid);
    let bad = xml.replace("c7a5fdbd", "../../x");
    assert_eq!(refused(&bad, &request).reason.code(), "bad-uuid");
}
