//! Nothing is left of a lab, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::tools_or_skip;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far longer than the kernel and a shell need to end two processes.
const LIMIT: Duration = Duration::from_secs(20);

struct Running {
    lab: Child,
    region: String,
    qemu: Vec<String>,
}

/// Starts `ivring-lab boot` and waits until its guest runs.
fn boot() -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-lab"));
    let mut lab =
        command.arg("boot").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(lab.stdout.take().expect("its output is piped")).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_else(|| {
        let mut messages = String::new();
        let _ = lab.stderr.take().expect("its messages are piped").read_to_string(&mut messages);
        panic!("ivring-lab says: {messages}")
    });
    let region = first.split(' ').nth(1).expect("the line names the region").to_owned();
    assert!(fs::exists(&region).expect("/dev/shm can be read"), "{region} is there while the guest runs");
    let qemu = users_of(&region);
    assert_eq!(qemu.len(), 1, "one QEMU maps {region}");
    let ready = lines.map_while(Result::ok).any(|line| line.starts_with("Ctrl-C"));
    assert!(ready, "it says how to end it");
    Running { lab, region, qemu }
}

/// The processes with `region` on their command line.
fn users_of(region: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|process| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(region)
        })
        .collect()
}

/// Sends `signal` to a running lab and returns how it ended, once all is gone.
fn ends_without_leftovers(signal: Signal) -> ExitStatus {
    let Running { mut lab, region, qemu } = boot();
    let folder = std::env::temp_dir().join(format!("ivring-lab-{}-0", lab.id())).display().to_string();
    let id = Pid::from_raw(i32::try_from(lab.id()).expect("a process id is an i32"));
    kill(id, signal).expect("the lab runs");
    let status = lab.wait().expect("the lab ends");
    let deadline = Instant::now() + LIMIT;
    let left = |path: &str| fs::exists(path).expect("the folder can be read");
    while left(&region) || left(&folder) || !users_of(&region).is_empty() {
        assert!(Instant::now() < deadline, "left: {region} or {folder} or QEMU {qemu:?}");
        thread::sleep(Duration::from_millis(10));
    }
    status
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    if tools_or_skip("nothing_is_left_after_ctrl_c").is_some() {
        assert_eq!(ends_without_leftovers(Signal::SIGINT).code(), Some(0));
    }
}

#[test]
fn nothing_is_left_after_sigkill() {
    if tools_or_skip("nothing_is_left_after_sigkill").is_some() {
        assert_eq!(ends_without_leftovers(Signal::SIGKILL).code(), None);
    }
}
