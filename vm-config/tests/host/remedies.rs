//! What `--install` writes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ivring_vm_config::host::{AppArmorRule, InstallError, Installed, SelinuxLabel, Tmpfiles};
use ivring_vm_config::{Shmem, Size};

use crate::fixture::Host;

const LINE: &str = "f /dev/shm/fg_i3 0660 ivring kvm - -\n";

fn region(name: &str) -> Shmem {
    Shmem::new(name, Size::SMALLEST).unwrap()
}

#[test]
fn tmpfiles_makes_the_file_once() {
    let host = Host::new();
    fs::create_dir(host.root.path("/etc/tmpfiles.d")).unwrap();
    let tmpfiles = Tmpfiles::of(&host.root, &[region("fg_i3")]);
    assert!(tmpfiles.text().ends_with(LINE), "{}", tmpfiles.text());
    // As the daemon brings it along.
    assert_eq!(tmpfiles.text(), include_str!("../../../host/dist/ivringd.tmpfiles"));
    assert_eq!(tmpfiles.install(&host.root).unwrap(), Installed::Now);
    assert_eq!(host.read(Tmpfiles::FILE), tmpfiles.text());
    let mode = fs::metadata(host.root.path(Tmpfiles::FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    assert_eq!(tmpfiles.install(&host.root).unwrap(), Installed::Already);
    assert_eq!(fs::read_dir(host.root.path("/etc/tmpfiles.d")).unwrap().count(), 1, "something was left");
}

#[test]
fn tmpfiles_adds_what_is_missing_and_keeps_the_rest() {
    let host = Host::new();
    let theirs =
        "# theirs\n#f /dev/shm/b 0600 me me - -\nf   /dev/shm/fg_i3  0660 ivring kvm - -\nd /srv 0755 - - -";
    host.write(Tmpfiles::FILE, theirs);
    let tmpfiles = Tmpfiles::of(&host.root, &[region("fg_i3"), region("b")]);
    assert_eq!(tmpfiles.install(&host.root).unwrap(), Installed::Now);
    assert_eq!(host.read(Tmpfiles::FILE), format!("{theirs}\nf /dev/shm/b 0660 ivring kvm - -\n"));
    assert_eq!(tmpfiles.install(&host.root).unwrap(), Installed::Already);
}

#[test]
fn tmpfiles_refuses_what_somebody_has_decided_otherwise() {
    let host = Host::new();
    let theirs = "f+ /dev/shm/fg_i3 0666 root root - -\n";
    host.write(Tmpfiles::FILE, theirs);
    let error = Tmpfiles::of(&host.root, &[region("b"), region("fg_i3")]).install(&host.root).unwrap_err();
    let InstallError::Differs { diff, .. } = &error else { panic!("{error}") };
    assert!(diff.contains(&format!("-{theirs}+{}", LINE.trim_end())), "{diff}");
    assert!(error.to_string().starts_with("/etc/tmpfiles.d/ivringd.conf says something else"), "{error}");
    assert_eq!(host.read(Tmpfiles::FILE), theirs);
}

#[test]
fn tmpfiles_names_owner_and_group_of_the_host() {
    let host = Host::new();
    let text = || Tmpfiles::of(&host.root, &[region("r")]).text();
    host.accounts("ivring", "qemu", "qemu");
    assert!(text().ends_with("f /dev/shm/r 0660 ivring qemu - -\n"), "{}", text());
    host.write("/etc/passwd", "");
    assert!(text().ends_with("f /dev/shm/r 0660 root kvm - -\n"), "{}", text());
}

#[test]
fn a_folder_that_is_missing_is_told_of() {
    let host = Host::new();
    let error = Tmpfiles::of(&host.root, &[region("r")]).install(&host.root).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write /etc/tmpfiles.d/ivringd.conf: No such file"),
        "{error}"
    );
}

#[test]
fn apparmor_adds_the_line_once_and_keeps_the_rest() {
    let host = Host::new();
    let rule = AppArmorRule::new(&region("fg_i3"));
    assert_eq!(rule.install(&host.root).unwrap(), Installed::NotNeeded);
    host.write("/sys/module/apparmor/parameters/enabled", "Y\n");
    assert_eq!(rule.install(&host.root).unwrap(), Installed::Now);
    assert_eq!(host.read(AppArmorRule::FILE), "/dev/shm/fg_i3 rw,\n");

    let theirs = "# theirs\r\n\t/srv/** r,\n#/dev/shm/fg_i3 rw,";
    host.write(AppArmorRule::FILE, theirs);
    fs::set_permissions(host.root.path(AppArmorRule::FILE), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(rule.install(&host.root).unwrap(), Installed::Now);
    let expected = format!("{theirs}\n/dev/shm/fg_i3 rw,\n");
    assert_eq!(host.read(AppArmorRule::FILE), expected);
    assert_eq!(rule.install(&host.root).unwrap(), Installed::Already);
    assert_eq!(host.read(AppArmorRule::FILE), expected);
    let mode = fs::metadata(host.root.path(AppArmorRule::FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn selinux_runs_the_commands_it_prints() {
    let host = Host::new();
    let label = SelinuxLabel::new(&region("fg_i3"));
    assert_eq!(label.install(&host.root).unwrap(), Installed::NotNeeded);
    host.write("/sys/fs/selinux/enforce", "1");
    host.write("/etc/os-release", "ID=fedora\n");
    let error = label.install(&host.root).unwrap_err();
    assert_eq!(error.to_string(), "semanage is not installed: dnf install policycoreutils-python-utils");

    let log = host.root.path("/log");
    for tool in ["semanage", "restorecon"] {
        host.program(
            &format!("/usr/sbin/{tool}"),
            &format!("#!/bin/sh\necho {tool} \"$@\" >>'{}'\n", log.display()),
        );
    }
    assert_eq!(label.install(&host.root).unwrap(), Installed::Now);
    let region = host.region().display().to_string();
    let expected = label.text().replace('\'', "").replace("-v /dev/shm/fg_i3", &format!("-v {region}"));
    assert_eq!(host.read("/log"), expected);

    // With the rule there only the files are labelled anew.
    host.write(
        "/etc/selinux/targeted/contexts/files/file_contexts.local",
        "/dev/shm/fg_i3 system_u:object_r:svirt_tmpfs_t:s0\n",
    );
    fs::remove_file(&log).unwrap();
    assert_eq!(label.install(&host.root).unwrap(), Installed::Already);
    assert_eq!(host.read("/log"), format!("restorecon -v {region}\n"));
}

#[test]
fn selinux_labels_the_regions_of_all_domains() {
    let host = Host::new();
    host.write("/sys/fs/selinux/enforce", "1");
    host.write("/dev/shm/fg_i3-0f", "");
    host.program("/usr/sbin/semanage", "#!/bin/sh\n");
    host.program(
        "/usr/sbin/restorecon",
        &format!("#!/bin/sh\necho \"$@\" >>'{}'\n", host.root.path("/log").display()),
    );
    assert_eq!(SelinuxLabel::of_domains(&region("fg_i3")).install(&host.root).unwrap(), Installed::Now);
    assert_eq!(host.read("/log"), format!("-v {}\n", host.root.path("/dev/shm/fg_i3-0f").display()));
}

#[test]
fn a_failure_of_semanage_is_told() {
    let host = Host::new();
    host.write("/sys/fs/selinux/enforce", "1");
    host.program("/usr/sbin/semanage", "#!/bin/sh\necho 'ValueError: no' >&2\nexit 1\n");
    host.program("/usr/sbin/restorecon", "#!/bin/sh\n");
    let error = SelinuxLabel::new(&region("r")).install(&host.root).unwrap_err();
    assert_eq!(error.to_string(), "semanage fcontext -a -t svirt_tmpfs_t /dev/shm/r failed: ValueError: no");
}
