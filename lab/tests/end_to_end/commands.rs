//! Files of 64 MiB by the commands that people type.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ivring_lab::{Lab, Process};
use ivring_proto::control::{Client, Service, Target};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::{wait_for_listener, wait_until_attached};
use crate::daemon::{Daemon, run};
use crate::place::Place;
use crate::setup::{LIMIT, lab, output, wait_for};

/// Length of the file, the longest message.
const LENGTH: usize = 64 << 20;

/// A file of so many random bytes, and its checksum as `sha256sum` gives it.
pub fn random_file(lab: &Lab, length: usize) -> (PathBuf, String) {
    let path = lab.folder().join("random");
    let random = fs::File::open("/dev/urandom").expect("the kernel has random bytes");
    let mut file = fs::File::create(&path).expect("a file can be made");
    std::io::copy(&mut std::io::Read::take(random, length as u64), &mut file).expect("there is space");
    let sum = checksum(&path);
    (path, sum)
}

fn checksum(path: &Path) -> String {
    first_word(&run(Command::new("sha256sum").arg(path)).output)
}

pub fn first_word(text: &str) -> String {
    text.split_whitespace().next().expect("a checksum").to_owned()
}

#[test]
fn a_file_of_64_mib_goes_to_a_guest_and_back_by_the_commands() {
    let Some(lab) = lab("64-mib-commands") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    wait_until_attached(&mut guest);
    let (file, sum) = random_file(&lab, LENGTH);

    let listen =
        "mkdir /tmp/got; ivring-agent listen --topic file --count 1 --out /tmp/got >/dev/null 2>&1 & echo $!";
    let listener = output(&mut guest, listen);
    wait_for_listener(&mut guest);
    let sent = daemon.ivring(&["send", "web1", "file", "--file", &file.display().to_string()]);
    assert_eq!(sent.status, Some(0), "{sent:?}");
    output(&mut guest, &format!("while [ -d /proc/{listener} ]; do sleep 0.1; done"));
    assert_eq!(first_word(&output(&mut guest, "busybox sha256sum /tmp/got/*")), sum);

    let client = Client::connect(Service::Daemon, daemon.socket()).expect("it serves");
    let mut listener = client.listen(Target::default(), Some("back".to_owned())).expect("it lets one listen");
    output(&mut guest, "ivring-agent send back --file /tmp/got/*");
    let (_, back) = listener.next_event(Some(LIMIT)).expect("it goes on").expect("it has come");
    assert!(back == fs::read(&file).expect("it is there"), "it comes back as it was");
}

/// Starts a command with its message's reader stopped, and lets `cut` end something once it is in the midst of that: `sent`
/// asks how many bytes have gone. Returns its exit code and what it said.
fn cut_off(
    place: &Place,
    command: Command,
    sent: impl Fn() -> u64,
    reader: &mut Process,
    cut: impl FnOnce(&mut Process),
) -> (i32, String) {
    let before = sent();
    reader.signal(Signal::SIGSTOP).expect("it runs");
    let mut sender = place.lab.spawn("sender", command).expect("it starts");
    wait_for("a first piece", || (sent() > before).then_some(()));
    assert_eq!(sender.status().expect("it can be asked"), None, "it waits for the end of its message");
    cut(reader);
    let status = sender.wait(LIMIT).expect("it is told").code().expect("it ends by itself");
    let log = fs::read_to_string(sender.log()).expect("it has a log");
    (status, log.lines().next_back().expect("it says why").to_owned())
}

/// What a command prints as JSON.
fn json(mut command: Command) -> Value {
    serde_json::from_str(&run(&mut command).output).expect("it prints JSON")
}

#[test]
fn a_command_whose_message_is_cut_off_says_so_and_the_next_one_goes_through() {
    let place = Place::new("cut-off-commands");
    let (mut daemon, mut agent) = (place.daemon(), place.agent());
    place.wait_for_answer();
    let (file, _) = random_file(&place.lab, LENGTH);
    let file = file.display().to_string();
    let to_guest = || place.ivring(&["send", "web1", "file", "--file", &file]);
    let from_host =
        || json(place.ivring(&["ls", "--json"]))["guests"][0]["sent_bytes"].as_u64().expect("a number");
    let from_guest = || {
        json(place.agent_command(&["status", "--json"]))["counters"]["sent_bytes"].as_u64().expect("a number")
    };
    let to_host = || place.agent_command(&["send", "file", "--file", &file]);

    let (status, said) = cut_off(&place, to_guest(), from_host, &mut agent, |agent| {
        agent.kill().expect("it runs");
        *agent = place.agent();
    });
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("it may have been received, or not"), "{said}");
    place.wait_for_answer();
    assert_eq!(run(&mut to_guest()).status, Some(0));

    let (status, said) = cut_off(&place, to_host(), from_guest, &mut daemon, |daemon| {
        daemon.kill().expect("it runs");
        *daemon = place.daemon();
    });
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("the host may have it or not"), "{said}");
    place.wait_for_answer();
    assert_eq!(run(&mut to_host()).status, Some(0));

    // The daemon that was asked to send it is killed itself.
    let (status, said) =
        cut_off(&place, to_guest(), from_host, &mut agent, |_| daemon.kill().expect("it runs"));
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("closed the connection before it answered"), "{said}");
    agent.signal(Signal::SIGCONT).expect("it runs");
    daemon = place.daemon();
    place.wait_for_answer();
    assert_eq!(run(&mut to_guest()).status, Some(0));
    assert_eq!(daemon.status().expect("it can be asked"), None);
}
