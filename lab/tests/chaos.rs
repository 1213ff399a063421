//! Programs killed at every store and at any time, by the commands of the lab that do it at length.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::tools_or_skip;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs a command of the lab.
fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivring-lab")).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The numbers in the last line of the output.
fn counts(output: &Output) -> Vec<u64> {
    let said = text(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    last.split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[test]
fn each_store_may_be_the_last() {
    // All of them are a check of their own.
    let output = lab(&["kill-every-store", "--every", "5"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.ends_with(" repeats, all marked\n") && said.contains(": 0 lost, 0 reordered, "), "{said}");
    let [deaths, places, 0, 0, repeats] = counts(&output)[..] else { panic!("{said}") };
    assert!(deaths > 200 && places > 100 && repeats > 50, "it has gone where it is meant to: {said}");
}

#[test]
fn a_store_that_is_never_made_is_missed() {
    for (word, play) in [("seen", "the host admits a guest"), ("hint", "the host publishes")] {
        let output = lab(&["kill-every-store", "--withhold", word, "--only", play]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {said}");
        let (_, evidence) =
            said.trim_end().rsplit_once("the journals are in ").expect("it says where they are");
        let journals = fs::read_to_string(evidence).expect("they are there");
        assert!(journals.contains("Start { life: ") && journals.contains("Received { peer: "), "{journals}");
    }
}

#[test]
fn nothing_is_lost_when_programs_are_killed_at_random() {
    let output = lab(&["chaos", "--rounds", "40"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_it_was_proved(&output, 40);
}

#[test]
fn nothing_is_lost_when_machines_are_killed_too() {
    if tools_or_skip("nothing_is_lost_when_machines_are_killed_too").is_none() {
        return;
    }
    let output = lab(&["chaos", "--rounds", "10", "--vm"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_it_was_proved(&output, 10);
    assert!(
        text(&output.stderr).contains("QEMU") || text(&output.stderr).contains("in the machine"),
        "{output:?}"
    );
}

fn assert_it_was_proved(output: &Output, rounds: u64) {
    let said = text(&output.stdout);
    assert!(
        said.ends_with(" repeats, all marked\n") && said.contains(" rounds, 0 lost, 0 reordered, "),
        "{said}"
    );
    assert_eq!(counts(output)[..3], [rounds, 0, 0], "{said}");
}

#[test]
fn nothing_is_left_of_chaos_that_is_interrupted() {
    let mut running = Command::new(env!("CARGO_BIN_EXE_ivring-lab"))
        .args(["chaos", "--rounds", "100000"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let messages = BufReader::new(running.stderr.take().expect("its messages are piped"));
    let begun = messages.lines().map_while(Result::ok).any(|line| line.starts_with("seed "));
    assert!(begun, "it ends before it is interrupted");
    let process = running.id();
    let name = format!("ivring-lab-{process}-");
    let deadline = Instant::now() + Duration::from_secs(20);
    // Its processes map the region.
    while left_of(&name).is_none() {
        assert!(Instant::now() < deadline, "it starts nothing");
        thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(i32::try_from(process).expect("a process id is an i32")), Signal::SIGINT)
        .expect("it runs");
    running.wait().expect("it ends");
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Some(left) = left_of(&name) {
        assert!(Instant::now() < deadline, "left: {left}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A file of a lab, or a process that has its name on the command line, if there is one.
fn left_of(lab: &str) -> Option<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).expect("it can be read").filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let processes = names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let lines = processes.map(|process| fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    names("/dev/shm").into_iter().chain(lines).find(|name| name.contains(lab))
}
