//! A file system without room: a tmpfs of the test's own, in a mount namespace of the daemon's.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};
use crate::two::{A, B};
use crate::unprivileged;

const MIB: u64 = 1 << 20;
/// Runs the rest of the arguments where a tmpfs is mounted at the first.
const MOUNT: &str = "mount -t tmpfs -o size=3m,mode=1777 none \"$0\" && exec \"$@\"";

/// A daemon, and the file system of 3 MiB that it alone sees under that path.
struct Small {
    place: Place,
    mount: PathBuf,
}

impl Small {
    fn new() -> Self {
        let place = Place::new();
        let mount = place.directory().join("small");
        fs::create_dir(&mount).unwrap();
        Small { place, mount }
    }

    /// The command in a namespace with that file system; `None`, and said so, where there can be none.
    fn command(&self, arguments: &[&str]) -> Option<Command> {
        let in_namespace = || {
            let mut command = Command::new("unshare");
            command.arg(if geteuid().is_root() { "-m" } else { "-Urm" });
            command.args(["sh", "-c", MOUNT]).arg(&self.mount);
            command
        };
        let tried = in_namespace().arg("true").stderr(Stdio::null()).status();
        if !tried.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "no file system of its own can be mounted here");
            eprintln!("NOT TESTED: no file system of its own can be mounted here");
            return None;
        }
        let mut command = in_namespace();
        let daemon = unprivileged::daemon(&self.place, arguments);
        if geteuid().is_root() {
            let nobody = unprivileged::NOBODY.to_string();
            command.args(["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
        }
        command.arg(daemon.get_program()).args(daemon.get_args()).stdin(Stdio::null());
        Some(command)
    }

    fn region(&self, name: &str) -> String {
        self.mount.join(name).to_str().unwrap().to_owned()
    }

    /// Where this process finds a file of that file system.
    fn outside(&self, daemon: &Daemon, name: &str) -> PathBuf {
        let mount = self.mount.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", daemon.pid())).join(mount).join(name)
    }
}

/// Takes all the room that there is.
fn fill(path: PathBuf) {
    let file = File::options().create(true).append(true).open(path).unwrap();
    let block = [1; 4096];
    let mut at = file.metadata().unwrap().len();
    loop {
        match file.write_at(&block, at) {
            Ok(written) => at += written as u64,
            Err(error) if error.raw_os_error() == Some(Errno::ENOSPC as i32) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_region_that_has_no_room_is_refused_and_leaves_nothing() {
    let small = Small::new();
    let (fits, large) = (small.region("fits"), small.region("large"));
    let arguments = ["--region", &fits, "--region", &large, "--size", "2M"];
    let Some(mut command) = small.command(&arguments) else { return };
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains(&format!("no room for 2097152 bytes of {large}")), "{said}");
    assert!(!small.place.socket().exists());
}

#[test]
fn a_hole_in_a_full_file_system_costs_its_region_only() {
    ivring_host::guard_mappings().unwrap();
    let small = Small::new();
    let (breaks, stays) = (small.region("breaks"), small.region("stays"));
    let arguments = ["--size", "1M", "--channels", "4", "--region", &breaks, "--region", &stays];
    let Some(command) = small.command(&arguments) else { return };
    let daemon = Daemon::start_command(&small.place, command);
    let (breaks, stays) = (small.outside(&daemon, "breaks"), small.outside(&daemon, "stays"));
    let web1 = FakeGuest::attached(&breaks, A, "web1");
    let web2 = FakeGuest::attached(&stays, B, "web2");

    // Stopped meanwhile, for each page that it still writes would be there again before the room is taken. So is the guest.
    let pause = web1.pause();
    daemon.signal(Signal::SIGSTOP);
    let filler = small.outside(&daemon, "filler");
    fill(filler.clone());
    fs::set_permissions(&filler, fs::Permissions::from_mode(0o666)).unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let file = File::options().write(true).open(&breaks).unwrap();
    fallocate(&file, punch, 0, MIB.cast_signed()).unwrap();
    fill(filler.clone());
    daemon.signal(Signal::SIGCONT);

    let deadline = Instant::now() + LIMIT;
    let lost = |words: &str| loop {
        let list = daemon.json(&["ls"]);
        let reason = list["not_served"][0]["reason"].as_str().unwrap_or_default().to_owned();
        if reason.contains(words) {
            return reason;
        }
        assert!(Instant::now() < deadline, "{words:?}: {list}");
        std::thread::sleep(Duration::from_millis(5));
    };
    lost("had no page at offset 0x");
    lost("it cannot be opened again: no room for 1048576 bytes of");
    daemon.ok(&["ping", "web2", "--count", "1"]);
    daemon.ok(&["send", "web2", "t", "still here"]);
    assert_eq!(web2.message().1, b"still here");
    drop((pause, web1));

    // With room again it is served again; nothing was left in it.
    fs::remove_file(&filler).unwrap();
    let web1 = FakeGuest::attached(&breaks, A, "web1");
    daemon.ok(&["send", "web1", "t", "again"]);
    assert_eq!(web1.message().1, b"again");
    assert!(daemon.json(&["ls"])["not_served"].is_null());
    drop((web1, web2));
    let log = daemon.stopped();
    assert!(!log.contains("broke its ring"), "{log}");
}
