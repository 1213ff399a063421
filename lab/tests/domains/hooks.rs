//! What a hook gets before there is a domain, which libvirt then makes of it.

use crate::machine::Place;

/// As KubeVirt writes it: no UUID but that among the SMBIOS strings, which libvirt makes the domain's own.
const XML: &str = r#"<domain type="qemu" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
	<name>shop_web1</name>
	<memory unit="b">67108864</memory>
	<os>
		<type arch="x86_64" machine="q35">hvm</type>
		<smbios mode="sysinfo"></smbios>
	</os>
	<sysinfo type="smbios">
		<system>
			<entry name="uuid">8E0F5C4B-3d6a-5b1e-9c55-2f1d0a7b6c01</entry>
		</system>
	</sysinfo>
	<devices>
		<controller type="usb" index="0" model="none"></controller>
	</devices>
	<features>
		<acpi></acpi>
	</features>
</domain>"#;

#[test]
fn the_region_is_named_by_the_uuid_that_libvirt_gives_the_domain() {
    let Some(place) = Place::new("the_region_is_named_by_the_uuid_that_libvirt_gives_the_domain") else {
        return;
    };
    let patched = place.run(&["patch", "--per-domain", "-"], XML);
    assert_eq!(patched.code, 0, "{patched:?}");
    place.libvirt.define(&patched.stdout).expect("libvirt takes it");
    let config = place.libvirt.config("shop_web1").expect("it is there");
    let uuid = "8e0f5c4b-3d6a-5b1e-9c55-2f1d0a7b6c01";
    assert!(config.contains(&format!("<uuid>{uuid}</uuid>")), "{config}");
    assert_ne!(place.configured("shop_web1", &format!("fg_i3-{uuid}")), "none", "{config}");
    place.exits(0, &["status", "--per-domain"]);
}
