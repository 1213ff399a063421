//! A copy of `ivring` with an `ivring-vm-config` of the test beside it.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ivring_proto::layout::Geometry;
use serde_json::{Value, json};

use crate::checks::Checks;
use crate::place::Place;

pub const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
pub const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

pub struct Bench {
    pub place: Place,
}

impl Bench {
    /// With an `ivring-vm-config` that finds nothing wrong with the host, and knows no domain.
    pub fn new() -> Self {
        let bench = Bench { place: Place::new() };
        let program = bench.path("ivring");
        // Linked, or copied by another process: one that another thread starts meanwhile would hold our copy open.
        if fs::hard_link(env!("CARGO_BIN_EXE_ivring"), &program).is_err() {
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ivring")).arg(&program).status().unwrap();
            assert!(copied.success());
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor/vm-config.sh");
        symlink(script, bench.path("ivring-vm-config")).unwrap();
        bench.answers("host", &json!([line("region-file", "ok")]), 0);
        bench.answers("status", &json!([]), 0);
        bench
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.place.directory().join(file)
    }

    /// What `ivring-vm-config` prints, and how it exits.
    pub fn answers(&self, to: &str, json: &Value, code: i32) {
        fs::write(self.path(&format!("{to}.json")), json.to_string()).unwrap();
        fs::write(self.path(&format!("{to}.code")), code.to_string()).unwrap();
    }

    /// What it says on standard error instead.
    pub fn fails(&self, to: &str, error: &str, code: i32) {
        let _ = fs::remove_file(self.path(&format!("{to}.json")));
        fs::write(self.path(&format!("{to}.err")), error).unwrap();
        fs::write(self.path(&format!("{to}.code")), code.to_string()).unwrap();
    }

    /// How it was called.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_to(&self.place.socket(), arguments)
    }

    /// As if the daemon's socket were elsewhere.
    pub fn command_to(&self, socket: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("ivring"));
        command.arg("doctor").args(arguments).arg("--socket").arg(socket);
        command.env("PATH", "/usr/bin:/bin").env("ANSWERS", self.place.directory());
        command
    }

    pub fn doctor(&self, arguments: &[&str]) -> Checks {
        Checks::of(&mut self.command(arguments))
    }

    /// Looks at the place's region, and at one guest.
    pub fn doctor_of(&self, guest: &str) -> Checks {
        self.doctor(&[guest, "--region", self.place.region()])
    }

    pub fn store(&self, at: u64, word: u64) {
        let file = File::options().write(true).open(self.place.region_path()).unwrap();
        file.write_all_at(&word.to_le_bytes(), at).unwrap();
    }
}

/// A line as `ivring-vm-config host check` prints it.
pub fn line(check: &str, verdict: &str) -> Value {
    let next = (verdict != "ok").then_some("type this");
    json!({ "check": check, "verdict": verdict, "says": "what it says", "next": next })
}

/// A domain as `ivring-vm-config status` prints it.
pub fn domain(name: &str, uuid: &str, state: &str) -> Value {
    json!({ "domain": name, "uuid": uuid, "uri": "qemu:///system", "state": state, "waiting": null, "error": null })
}

/// The region that `Daemon::start` makes.
pub fn geometry() -> Geometry {
    Geometry::new(1 << 20, 4).unwrap()
}

/// A process that looks as the QEMU of that VM, and maps nothing; ended when dropped.
pub struct Qemu(Child);

impl Qemu {
    pub fn of(uuid: &str) -> Self {
        let mut command = Command::new("sh");
        // It waits for its input to end.
        command.args(["-c", "read line", "qemu-system-x86_64", "-uuid", uuid]).stdin(Stdio::piped());
        Qemu(command.spawn().unwrap())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A UUID that no other test's process has.
pub fn own_uuid(number: u32) -> String {
    format!("6b7c1f2e-0000-4000-8000-{:04x}{:08x}", number, std::process::id())
}
