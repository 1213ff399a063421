//! A host that is a folder.

use std::env::consts::ARCH;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use ivring_vm_config::host::{CheckLine, HostCheck, LibvirtHost, Root, Verdict};
use ivring_vm_config::{Shmem, Size};
use tempfile::TempDir;

/// A QEMU that has the device.
pub const QEMU: &str = "#!/bin/sh\necho 'ivshmem-plain options:'\necho '  memdev=<link<memory-backend>>'\n";
/// A QEMU that has not.
pub const BARE_QEMU: &str =
    "#!/bin/sh\necho \"qemu: -device ivshmem-plain,help: Device 'ivshmem-plain' not found\" >&2\n";
/// What virsh says of the version of a libvirt of today.
pub const NEW: &str = "Using library: libvirt 9.0.0\nRunning against daemon: 9.0.0\n";
/// And of one from before it knew of the device's file.
pub const OLD: &str = "Using library: libvirt 5.9.0\nRunning against daemon: 5.9.0\n";

/// A host on which nothing is wrong, until a test makes it so.
pub struct Host {
    folder: TempDir,
    pub root: Root,
    /// What its libvirt says of its version.
    pub version: &'static str,
    /// Its libvirt's URI.
    pub uri: &'static str,
    /// The emulator of its libvirt, beside the one in the usual place.
    pub emulator: &'static str,
    /// The size that is asked for.
    pub size: Option<Size>,
}

impl Host {
    /// A Debian with a region of 1 MiB of the daemon, who is the test's own user, and of QEMU's group, which is the test's.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::below(folder.path());
        let host = Self { folder, root, version: NEW, uri: "qemu:///system", emulator: "/none", size: None };
        host.write("/etc/os-release", "ID=debian\n");
        host.accounts("ivring", "libvirt-qemu", "kvm");
        host.write("/proc/self/mountinfo", "25 24 0:23 / /dev/shm rw,nosuid - tmpfs tmpfs rw,size=1024k\n");
        host.write("/proc/cpuinfo", "vendor_id : AuthenticAMD\nflags\t\t: fpu svm sse\n");
        host.write("/dev/kvm", "");
        host.program(&format!("/usr/bin/qemu-system-{ARCH}"), QEMU);
        host.write("/usr/lib/libvirt/libvirt-guests.sh", "ON_SHUTDOWN=\"shutdown\"\ncase $ON_SHUTDOWN in\n");
        host.write("/etc/systemd/system/multi-user.target.wants/libvirt-guests.service", "");
        host.write(
            "/etc/apparmor.d/abstractions/libvirt-qemu",
            "#include <local/abstractions/libvirt-qemu>\n",
        );
        host.write("/dev/shm/fg_i3", "");
        fs::write(host.region(), vec![0; 1 << 20]).unwrap();
        host.mode(0o660);
        host
    }

    /// Names the test's own user and group, who has the region, another user of that group, and a third one of none that is
    /// known.
    pub fn accounts(&self, own: &str, member: &str, group: &str) {
        let me = fs::metadata(self.folder.path()).unwrap();
        let (uid, gid, others) = (me.uid(), me.gid(), me.gid() + 64_003);
        let user = |name: &str, uid: u32, gid: u32| format!("{name}:x:{uid}:{gid}::/:/bin/false\n");
        let users =
            [user(own, uid, others), user(member, uid + 64_001, gid), user("stranger", uid + 64_002, others)];
        self.write("/etc/passwd", &users.concat());
        self.write("/etc/group", &format!("{group}:x:{gid}:\nothers:x:{others}:\n"));
    }

    /// The file of the region.
    pub fn region(&self) -> PathBuf {
        self.root.path("/dev/shm/fg_i3")
    }

    /// The region with nothing in its place.
    pub fn without_region(self) -> Self {
        fs::remove_file(self.region()).unwrap();
        self
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.path(path)).unwrap()
    }

    pub fn program(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.root.path(path), Permissions::from_mode(0o755)).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.root.path(path)).unwrap();
    }

    pub fn link(&self, target: &str, path: &str) {
        symlink(target, self.root.path(path)).unwrap();
    }

    /// Gives the region a mode.
    pub fn mode(&self, mode: u32) {
        fs::set_permissions(self.region(), Permissions::from_mode(mode)).unwrap();
    }

    /// Gives the region a length, of which nothing more is allocated.
    pub fn length(&self, length: u64) {
        File::options().write(true).open(self.region()).unwrap().set_len(length).unwrap();
    }

    /// All that is found.
    pub fn lines(&self) -> Vec<CheckLine> {
        let capabilities = format!(
            "<capabilities><host><cpu><arch>{ARCH}</arch></cpu></host><guest><arch name='{ARCH}'>\
             <emulator>{}</emulator></arch></guest></capabilities>",
            self.emulator
        );
        let libvirts = [LibvirtHost::told(self.uri, self.version, &capabilities)];
        let regions = [Shmem::new("fg_i3", Size::SMALLEST).unwrap()];
        HostCheck { root: &self.root, regions: &regions, size: self.size, libvirts: &libvirts }.lines()
    }

    /// The one line of `check`.
    #[track_caller]
    pub fn line(&self, check: &str) -> CheckLine {
        let lines: Vec<CheckLine> = self.lines().into_iter().filter(|line| line.check == check).collect();
        let [line] = <[CheckLine; 1]>::try_from(lines).unwrap();
        line
    }

    /// The line of `check`, which alone fails: it says `says`, and that `next` helps.
    #[track_caller]
    pub fn fails(&self, check: &str, says: &str, next: &str) {
        let lines = self.lines();
        let failed: Vec<&CheckLine> = lines.iter().filter(|line| line.verdict == Verdict::Failed).collect();
        let [line] = failed[..] else { panic!("{lines:#?}") };
        assert_eq!(line.check, check);
        self.says(line, says, Some(next));
    }

    /// The line of `check`, which does not fail, while nothing else does either.
    #[track_caller]
    pub fn finds(&self, check: &str, verdict: Verdict, says: &str, next: Option<&str>) {
        let lines = self.lines();
        assert!(!lines.iter().any(|line| line.verdict == Verdict::Failed), "{lines:#?}");
        let line = self.line(check);
        assert_eq!(line.verdict, verdict, "{line:?}");
        self.says(&line, says, next);
    }

    #[track_caller]
    fn says(&self, line: &CheckLine, says: &str, next: Option<&str>) {
        // Names of users that only the test's machine has are left to it.
        assert!(line.says.contains(says), "{line:#?}");
        assert_eq!(line.next.as_deref(), next);
        assert!(
            !line.says.contains(&self.folder.path().display().to_string()),
            "a test's own path: {line:?}"
        );
    }
}
