//! What `host check` says of a host is what QEMU does there: with a real libvirt and its own user.

use std::fs;
use std::path::Path;

use ivring_lab::{Error, PrivateLibvirtd, build_vm_config, libvirt_or_skip, or_skip};
use serde_json::Value;

const REGION: &str = "/dev/shm/fg_i3";
const DOMAIN: &str = "<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory>
    <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>";

/// A host with one domain, which has the device for the region of 8 MiB.
struct Host {
    libvirtd: PrivateLibvirtd,
}

impl Host {
    fn new(libvirtd: PrivateLibvirtd) -> Result<Self, Error> {
        libvirtd.bring(&build_vm_config()?)?;
        libvirtd.virsh(&["define", "/dev/stdin"], DOMAIN.as_bytes())?;
        let host = Self { libvirtd };
        // The service's account, as the package's sysusers.d has it.
        host.shell(
            "echo ivring:x:64101:64101::/:/bin/false >>/etc/passwd; echo ivring:x:64101: >>/etc/group",
        )?;
        host.shell("ivring-vm-config apply --all --yes")?;
        Ok(host)
    }

    /// Runs a command, which must succeed, in a shell; what it prints.
    fn shell(&self, command: &str) -> Result<String, Error> {
        let output = self.libvirtd.run("sh", &["-c", command], b"")?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(Error::Failed(format!("{command}: {said}"))) }
    }

    /// The line of `check`, which has the verdict `verdict`.
    #[track_caller]
    fn line(&self, check: &str, verdict: &str) -> Value {
        let arguments = ["host", "check", "--size", "8M", "--json"];
        let output = self.libvirtd.run("ivring-vm-config", &arguments, b"").expect("it starts");
        let lines: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let line = lines.iter().find(|line| line["check"] == check).expect("there is such a check");
        assert_eq!(line["verdict"], verdict, "{lines:#?}");
        let failed = lines.iter().any(|line| line["verdict"] == "failed");
        assert_eq!(output.status.code(), Some(i32::from(failed)));
        line.clone()
    }

    /// Starts the domain and ends it, or tells what libvirt says.
    fn starts(&self) -> Result<(), Error> {
        self.libvirtd.virsh(&["start", "web1"], b"")?;
        self.libvirtd.virsh(&["destroy", "web1"], b"").map(drop)
    }

    /// What libvirt says instead of starting the domain.
    fn refusal(&self) -> String {
        self.starts().expect_err("it was said that QEMU cannot start").to_string()
    }

    /// Types the command that `line` says helps.
    fn follow(&self, line: &Value) -> Result<(), Error> {
        self.shell(line["next"].as_str().expect("there is a command")).map(drop)
    }
}

#[test]
fn what_is_said_to_fail_fails_and_what_is_said_to_help_helps() -> Result<(), Error> {
    const TEST: &str = "what_is_said_to_fail_fails_and_what_is_said_to_help_helps";
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let Some(libvirtd) = or_skip(TEST, PrivateLibvirtd::start()) else { return Ok(()) };
    let host = Host::new(libvirtd)?;

    let libvirt = host.line("libvirt", "ok");
    assert!(libvirt["says"].as_str().is_some_and(|says| says.contains("answers, libvirt ")), "{libvirt}");
    host.line("qemu-ivshmem", "ok");
    host.line("shm-mount", "ok");
    host.line("region-file", "pending");

    // A file of somebody else's.
    host.shell(&format!("truncate -s 8M {REGION} && chmod 0600 {REGION}"))?;
    host.line("region-daemon", "failed");
    let line = host.line("region-qemu", "failed");
    let refusal = host.refusal();
    assert!(refusal.contains("Permission denied"), "{refusal}");
    host.follow(&line)?;
    host.line("region-qemu", "ok");
    host.line("region-daemon", "ok");
    host.starts()?;

    // Too small a file.
    host.shell(&format!("truncate -s 4M {REGION}"))?;
    let line = host.line("region-size", "failed");
    let refusal = host.refusal();
    let words = "backing store size 0x400000 does not match 'size' option 0x800000";
    assert!(
        refusal.contains(words) && line["says"].as_str().is_some_and(|says| says.contains(words)),
        "{refusal}"
    );

    // No file at all.
    host.shell(&format!("rm {REGION} && mkdir {REGION}"))?;
    let line = host.line("region-file", "failed");
    host.refusal();
    host.follow(&line)?;

    // QEMU comes first, and the service cannot open what it makes.
    host.line("region-file", "pending");
    host.starts()?;
    host.line("region-qemu", "ok");
    host.line("region-daemon", "failed");
    host.shell(&format!("rm {REGION}"))?;

    // The remedy for the next boot. The folder is this host's own where the machine has one.
    let tools = Path::new("/etc/tmpfiles.d").exists() && Path::new("/usr/bin/systemd-tmpfiles").exists();
    let missing = || Error::Refused("systemd-tmpfiles is not installed: apt install systemd".to_owned());
    let Some(()) = or_skip(TEST, tools.then_some(()).ok_or_else(missing)) else { return Ok(()) };
    let machine = fs::read_dir("/etc/tmpfiles.d").expect("it is a folder").count();
    let said = host.shell("ivring-vm-config host tmpfiles --install")?;
    let (_, apply) = said.trim().split_once("it takes effect with: ").expect("it says how");
    host.shell(apply)?;
    assert_eq!(host.shell(&format!("stat -c '%U:%G %a %s' {REGION}"))?, "ivring:kvm 660 0\n");
    host.line("region-size", "ok");
    host.line("region-qemu", "ok");
    host.line("region-daemon", "ok");
    host.starts()?;
    assert_eq!(host.shell(&format!("stat -c '%U:%G %a %s' {REGION}"))?, "ivring:kvm 660 8388608\n");
    host.line("region-size", "ok");
    let said = host.shell("ivring-vm-config host tmpfiles --install")?;
    assert!(said.contains("it is so already"), "{said}");
    assert_eq!(
        fs::read_dir("/etc/tmpfiles.d").expect("it is a folder").count(),
        machine,
        "it was not private"
    );
    Ok(())
}
