//! The two examples, the guest's `load` and the host's `table`, as somebody who copies from them runs them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Artifacts, Lab, Process, build_load_example, build_table_example, tools_or_skip};
use ivring_vm_config::Shmem;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(60);
/// Lines that fill the ring of a channel in a region of 1 MiB several times over.
const FLOOD: usize = 1000;

struct Programs {
    artifacts: Artifacts,
    load: PathBuf,
    table: PathBuf,
}

fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| Programs {
        artifacts: Artifacts::build().expect("the programs compile"),
        load: build_load_example().expect("the example compiles"),
        table: build_table_example().expect("the example compiles"),
    })
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a process has printed so far.
fn output(process: &Process) -> String {
    fs::read_to_string(process.log()).expect("it has a log")
}

fn wait_for_text(process: &Process, text: &str) {
    wait_for(&format!("{text:?} in {}", process.log().display()), || {
        output(process).contains(text).then_some(())
    });
}

fn ends_on_ctrl_c(mut process: Process) {
    process.signal(Signal::SIGINT).expect("it runs");
    assert_eq!(process.wait(LIMIT).expect("it ends").code(), Some(0), "{}", output(&process));
}

/// A daemon's place: where its region and its socket are.
struct Host {
    lab: Lab,
    region: Shmem,
    socket: PathBuf,
}

impl Host {
    fn new(lab: Lab) -> Self {
        let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found");
        let socket = lab.folder().join("ivringd.sock");
        Self { lab, region, socket }
    }

    /// Starts the daemon, and waits until it answers.
    fn start(&self) -> Process {
        let mut command = Command::new(&programs().artifacts.ivringd);
        command.args(["--config", "/dev/null", "--region", self.region.name(), "--size", "1M", "--socket"]);
        let process = self
            .lab
            .spawn("ivringd", {
                command.arg(&self.socket);
                command
            })
            .expect("it starts");
        wait_for("an answer of ivringd", || self.ivring(&["ls"]).status.code().filter(|code| *code < 2));
        process
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().artifacts.ivring);
        command.args(&arguments[..1]).arg("--socket").arg(&self.socket).args(&arguments[1..]);
        command
    }

    fn ivring(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it starts")
    }

    /// UUID and port of each guest.
    fn guests(&self) -> Vec<String> {
        let listed = self.ivring(&["ls", "--json"]).stdout;
        let listed: Value = serde_json::from_slice(&listed).expect("ls --json prints JSON");
        let name = |guest: &Value| Some(format!("{}:{}", guest["guest"].as_str()?, guest["port"].as_str()?));
        listed["guests"].as_array().expect("a list").iter().filter_map(name).collect()
    }

    fn table(&self) -> Process {
        let mut command = Command::new(&programs().table);
        command.arg(&self.socket);
        self.lab.spawn("table", command).expect("it starts")
    }
}

fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").expect("there is /proc");
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("it begins with a number")
}

/// Where in a file a process reads, in bytes.
fn position(process: &Process, file: &Path) -> u64 {
    let folder = PathBuf::from(format!("/proc/{}", process.id()));
    let descriptors = fs::read_dir(folder.join("fd")).expect("it runs").filter_map(Result::ok);
    let of_file = descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file));
    let number = of_file.map(|fd| fd.file_name()).next().expect("it has opened the file");
    let text = fs::read_to_string(folder.join("fdinfo").join(number)).expect("it is still open");
    let position = text.lines().find_map(|line| line.strip_prefix("pos:")).expect("it has a position");
    position.trim().parse().expect("a number")
}

#[test]
fn the_table_shows_a_process_in_the_place_of_a_guest() {
    let host = Host::new(Lab::without_guests("examples").expect("a lab can be set up"));
    let path = host.lab.folder().join("log");
    fs::write(&path, "before\n").expect("the file can be written");
    let mut log = File::options().append(true).open(&path).expect("it is there");

    let begun = uptime();
    let mut daemon = host.start();
    let table = host.table();
    let mut command = Command::new(&programs().load);
    command.arg(&path).arg(host.region.path());
    let load = host.lab.spawn("load", command).expect("it starts");

    // Load, memory, uptime and round trip: the last two can be checked.
    let row = wait_for("a row with a round trip", || {
        let text = output(&table);
        text.lines().find(|line| line.contains("µs") || line.contains("ms")).map(str::to_owned)
    });
    let cells: Vec<_> = row.split_whitespace().skip(1).collect();
    let numbers: Vec<f64> = cells[..3].iter().map(|cell| cell.parse().expect("a number")).collect();
    assert!(numbers[0] >= 0.0 && (0.0..=100.0).contains(&numbers[1]), "{row}");
    assert!((begun.floor()..=uptime().ceil()).contains(&numbers[2]), "{row}, which began at {begun}");

    // A line that acts on a terminal, in two parts.
    log.write_all(b"said \x1b[31m").and_then(|()| log.flush()).expect("it can be written");
    thread::sleep(Duration::from_millis(300));
    log.write_all(b"red\n").expect("it can be written");
    wait_for_text(&table, "said \\u{1b}[31mred");
    assert!(!output(&table).contains("before") && !output(&table).contains('\x1b'), "{}", output(&table));

    let guests = host.guests();
    assert_eq!(guests.len(), 1);
    let answer = host.ivring(&["request", &guests[0], "ps"]);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    let processes = String::from_utf8_lossy(&answer.stdout).into_owned();
    let itself = format!(" {} {} ", load.id(), programs().load.display());
    assert!(processes.contains(&itself), "{itself} in {processes}");
    assert_eq!(host.ivring(&["request", &guests[0], "other"]).status.code(), Some(3));

    // A daemon that does not receive: the ring fills.
    let listener = host.lab.spawn("listen", host.command(&["listen", "--topic", "log"])).expect("it starts");
    wait_for("a listener", || {
        writeln!(log, "are you there?").expect("it can be written");
        output(&listener).contains("there?").then_some(())
    });
    daemon.signal(Signal::SIGSTOP).expect("it runs");
    (0..FLOOD).for_each(|number| writeln!(log, "flood {number:090}").expect("it can be written"));
    let size = fs::metadata(&path).expect("it is there").len();
    wait_for("the log is read", || (position(&load, &path) == size).then_some(()));
    daemon.signal(Signal::SIGCONT).expect("it runs");
    writeln!(log, "no more").expect("it can be written");
    wait_for_text(&listener, "no more");
    let heard = output(&listener);
    let came = heard.matches("flood ").count();
    let told = heard
        .lines()
        .filter_map(|line| line.split_once(" dropped: no room")?.0.rsplit(' ').next()?.parse::<usize>().ok());
    // Values of the load are dropped, too.
    let dropped: usize = told.sum();
    assert!(came < FLOOD && came + dropped >= FLOOD && dropped <= FLOOD, "{came} came, {dropped} dropped");

    // Another daemon goes on, for both.
    daemon.kill().expect("it runs");
    let daemon = host.start();
    wait_for("a line that goes over the new daemon", || {
        writeln!(log, "after").expect("it can be written");
        output(&table).contains("after").then_some(())
    });
    ends_on_ctrl_c(load);
    wait_for("the good-bye", || host.guests().is_empty().then_some(()));
    ends_on_ctrl_c(table);
    drop((daemon, listener));
}

#[test]
fn the_table_shows_a_guest_beside_its_agent() {
    let Some(tools) = tools_or_skip("the_table_shows_a_guest_beside_its_agent") else { return };
    let Programs { artifacts, load, .. } = programs();
    let lab = Lab::new("examples-guest", &tools, &[&artifacts.agent, load]).expect("a lab can be set up");
    let host = Host::new(lab);
    let _daemon = host.start();
    let table = host.table();
    let mut plan = host.lab.plan("web1", Some(&host.region));
    plan.agent = Some("run".to_owned());
    let mut guest = host.lab.boot(&[plan.clone()]).expect("it boots").remove(0);
    let mut run = |script: &str| guest.run(script, LIMIT).expect("the guest answers").output;

    run("(load; echo $? >/tmp/status) >/dev/null 2>&1 &");
    wait_for("a line of the kernel's log", || {
        run("echo 'a kernel speaks' >/dev/kmsg");
        output(&table).contains("a kernel speaks").then_some(())
    });
    assert!(
        output(&table).lines().any(|line| line.starts_with("web1 ") && line.ends_with("  a kernel speaks"))
    );
    let both = wait_for("the agent beside it", || Some(host.guests()).filter(|guests| guests.len() == 2));
    let answer = host.ivring(&["request", &format!("{}:load", plan.uuid), "ps"]);
    assert!(String::from_utf8_lossy(&answer.stdout).contains("ivring-agent run"), "{both:?} {answer:?}");

    run("kill -INT $(pidof load)");
    wait_for("its end", || (run("cat /tmp/status").trim() == "0").then_some(()));
    wait_for("the good-bye", || (host.guests() == [format!("{}:agent", plan.uuid)]).then_some(()));
    ends_on_ctrl_c(table);
}
