//! `cargo demo`, as a newcomer runs it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::tools_or_skip;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Many times what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A running demo; killed if the test fails, and then the lab cleans up by itself.
struct Demo {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Demo {
    fn start(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-lab"));
        command.arg("demo").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut process = command.spawn().expect("it starts");
        let out = BufReader::new(process.stdout.take().expect("its output is piped"));
        Demo { process, out }
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("a process id is an i32"))
    }

    /// Waits for its end; whatever it printed that was not read yet is the output.
    fn end(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        // It writes little: neither pipe fills while the other is read.
        self.out.read_to_end(&mut stdout).expect("its output can be read");
        self.process
            .stderr
            .take()
            .expect("its messages are piped")
            .read_to_end(&mut stderr)
            .expect("as they can");
        let status = self.process.wait().expect("it ends");
        assert_nothing_is_left_of(self.process.id());
        Output { status, stdout, stderr }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test got that far.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All names of a lab begin alike, and hold its process id.
fn assert_nothing_is_left_of(lab: u32) {
    let name = format!("ivring-lab-{lab}-");
    let in_folder = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("the folder can be read").filter_map(Result::ok);
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count()
    };
    let processes = || {
        let entries = fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
        entries
            .filter(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&name)
            })
            .count()
    };
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = (in_folder(Path::new("/dev/shm")), in_folder(&std::env::temp_dir()), processes());
        if left == (0, 0, 0) {
            return;
        }
        assert!(Instant::now() < deadline, "left of {name}: regions, folders, processes: {left:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn assert_both_guests_are_shown(output: &Output) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    for guest in ["web1", "web2"] {
        let row = stdout.lines().find(|line| line.starts_with(guest)).expect("the table has a row for each");
        assert_eq!(row.matches(" us").count(), 2, "both percentiles: {row}");
        assert_eq!(row.matches(" MB/s").count(), 2, "both directions: {row}");
        let checked = format!("{guest}: 20 messages each way: each of them arrived as it was sent");
        assert!(stderr.contains(&checked), "{stderr}");
        let answered = format!("{guest}: a request: answered \"Linux ");
        assert!(stderr.contains(&answered), "{stderr}");
        let large = stderr.lines().find(|line| line.contains(&format!("{guest}: a message of 64 MiB: ")));
        assert!(
            large.is_some_and(|line| line.contains(" MB/s, SHA-256 ") && line.ends_with("on both sides")),
            "{stderr}"
        );
    }
    assert!(stderr.ends_with("the guests said good-bye, ivringd ended\n"), "{stderr}");
    assert!(!stderr.contains('\x1b'), "nothing but text where there is no terminal: {stderr}");
}

#[test]
fn agents_as_processes_talk() {
    assert_both_guests_are_shown(&Demo::start(&["--no-vm"], |_| ()).end());
}

#[test]
fn guests_talk() {
    if tools_or_skip("guests_talk").is_some() {
        assert_both_guests_are_shown(&Demo::start(&[], |_| ()).end());
    }
}

#[test]
fn what_keep_prints_can_be_typed() {
    let mut demo = Demo::start(&["--no-vm", "--keep"], |_| ());
    let mut commands = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(demo.out.read_line(&mut line).expect("its output is text"), 0, "it says what to type");
        if line.starts_with("Ctrl-C") {
            break;
        }
        commands.extend(line.strip_prefix("  ").map(|command| command.trim_end().to_owned()));
    }
    // Those that listen would not end.
    let (listen, others): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| command.contains(" listen"));
    assert_eq!((listen.len(), others.len()), (2, 5));
    for command in others {
        let output = Command::new("sh").args(["-c", &command]).output().expect("there is a shell");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    kill(demo.id(), Signal::SIGINT).expect("it runs");
    assert_eq!(demo.end().status.code(), Some(0));
}

#[test]
fn a_failed_step_is_named_and_its_logs_are_kept() {
    // No socket has so long a path, so ivringd does not start.
    let base = tempfile::tempdir().expect("a folder can be made");
    let long = base.path().join("x".repeat(100));
    fs::create_dir(&long).expect("a folder can be made");
    let output = Demo::start(&["--no-vm"], |command| {
        command.env("TMPDIR", &long);
    })
    .end();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("ivringd starts: failed\n"), "{stderr}");
    assert!(stderr.contains("a socket's path has at most"), "{stderr}");
    let logs =
        stderr.lines().last().and_then(|line| line.strip_prefix("logs: ")).expect("the logs are named");
    assert!(fs::exists(Path::new(logs).join("ivringd.log")).expect("the folder can be read"));
    assert_eq!(fs::read_dir(&long).expect("the folder can be read").count(), 0, "its folder is gone");
}
