//! What the lab promises of a libvirtd of its own: nobody outside sees it, two do not see each other, nothing is left.

use std::fs;
use std::path::Path;
use std::process;

use ivring_lab::{Error, PrivateLibvirtd, libvirt_or_skip, or_skip};

/// Whether some process of the machine has `mark` on its command line.
fn runs(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(mark))
}

#[test]
fn a_libvirtd_of_its_own_is_alone_and_leaves_nothing() -> Result<(), Error> {
    const TEST: &str = "a_libvirtd_of_its_own_is_alone_and_leaves_nothing";
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let Some(one) = or_skip(TEST, PrivateLibvirtd::start()) else { return Ok(()) };
    let other = PrivateLibvirtd::start()?;

    let name = format!("web1-{}", process::id());
    let domain = format!(
        "<domain type='qemu'><name>{name}</name><memory>65536</memory>
         <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    );
    one.virsh(&["define", "/dev/stdin"], domain.as_bytes())?;
    assert_eq!(one.virsh(&["list", "--all", "--name"], b"")?.trim(), name);
    assert_eq!(other.virsh(&["list", "--all", "--name"], b"")?.trim(), "");
    let refused = other.virsh(&["dumpxml", &name], b"").expect_err("it has none").to_string();
    assert!(refused.contains("failed to get domain"), "{refused}");

    let region = format!("/dev/shm/private-{}", process::id());
    let backup = "/var/lib/ivring/backups/one";
    one.run("sh", &["-c", &format!("mkdir -p {backup}; echo here >{region}")], b"")?;
    assert_eq!(one.read(&region)?, "here\n");
    assert_eq!(other.read(&region)?, "");
    assert!(!Path::new(&region).exists() && !Path::new(backup).exists());

    // It ends with the libvirtd, and so does all in there, also when this process is killed: that closes the pipe as well.
    one.virsh(&["start", &name], b"")?;
    assert!(runs(&format!("guest={name}")));
    drop(one);
    assert!(!runs(&format!("guest={name}")));
    assert_eq!(other.virsh(&["list", "--all", "--name"], b"")?.trim(), "");
    Ok(())
}
