//! The scripts by which others have a domain patched before they define it, called as they call them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A domain as KubeVirt makes it: indented by tabs, no element closed by itself, the UUID with the SMBIOS strings alone, and
/// words of its own in a namespace.
const KUBEVIRT: &str = r#"<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
	<name>shop_web1</name>
	<memory unit="b">1073741824</memory>
	<os>
		<type arch="x86_64" machine="q35">hvm</type>
		<smbios mode="sysinfo"></smbios>
	</os>
	<sysinfo type="smbios">
		<system>
			<entry name="uuid">8e0f5c4b-3d6a-5b1e-9c55-2f1d0a7b6c01</entry>
			<entry name="product">a shop's &#34;web&#34;</entry>
		</system>
		<bios></bios>
		<chassis></chassis>
	</sysinfo>
	<devices>
		<interface type="ethernet">
			<model type="virtio-non-transitional"></model>
			<alias name="ua-default"></alias>
		</interface>
		<controller type="usb" index="0" model="none"></controller>
		<graphics type="vnc">
			<listen type="socket" socket="/var/run/kubevirt-private/virt-vnc"></listen>
		</graphics>
	</devices>
	<metadata>
		<kubevirt xmlns="http://kubevirt.io">
			<uid></uid>
		</kubevirt>
	</metadata>
	<features>
		<acpi></acpi>
	</features>
</domain>"#;

const ELEMENT: &str = r#"		<shmem name="fg_i3">
			<model type="ivshmem-plain"/>
			<size unit="M">8</size>
			<alias name="ua-fg_i3"/>
		</shmem>
"#;

fn patched() -> String {
    let (before, after) = KUBEVIRT.split_once("\t</devices>").expect("it has devices");
    format!("{before}{ELEMENT}\t</devices>{after}")
}

/// A script of `dist/hooks`, which finds the program under test.
fn hook(name: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_ivring-vm-config"));
    let folder = program.parent().expect("it is in a folder");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/hooks").join(name));
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

fn on_define_domain(arguments: &[&str]) -> Output {
    hook("onDefineDomain").args(arguments).output().expect("it starts")
}

#[test]
fn kubevirt_gets_the_domain_with_the_element_and_nothing_else() {
    let vmi = r#"{"metadata":{"annotations":{"note":"--domain <domain/>"}}}"#;
    let output = on_define_domain(&["--vmi", vmi, "--domain", KUBEVIRT]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), patched());
    assert_eq!(text(&output.stderr), "");
    let again = on_define_domain(&["--vmi", vmi, "--domain", &patched()]);
    assert_eq!(text(&again.stdout), patched());
}

#[test]
fn kubevirt_starts_nothing_that_was_refused() {
    let other = patched().replace(">8<", ">4<");
    for (arguments, code, said) in [
        (&["--vmi", "{}", "--domain", &other][..], 3, "--on-conflict replace"),
        (&["--vmi", "{}", "--domain", "<domain"][..], 4, "-:1:"),
        (&["--vmi", "{}"][..], 2, "no --domain XML"),
    ] {
        let output = on_define_domain(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "nothing that could be defined");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn vdsm_finds_the_domain_changed_in_its_file() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("domain");
    let run = |content: &str| {
        fs::write(&file, content).expect("it can be written");
        let output = hook("before_vm_start").env("_hook_domxml", &file).output().expect("it starts");
        let left = fs::read_dir(folder.path()).expect("it can be read").count();
        assert_eq!(left, 1, "no copy with passwords is left");
        (output.status.code(), fs::read_to_string(&file).expect("it is there"))
    };
    assert_eq!(run(&format!("{KUBEVIRT}\n")), (Some(0), format!("{}\n", patched())));
    let other = patched().replace(">8<", ">4<");
    assert_eq!(run(&other), (Some(2), other.clone()), "as it was");
}
