//! `watch`, and what the other commands make of what it remembers.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;

use super::fake::{DENIED, DEVICE, Done, Fake};

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `watch` at a fake libvirt. It is ended when it is dropped.
struct Watch<'f> {
    fake: &'f Fake,
    process: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    events: Option<File>,
}

impl<'f> Watch<'f> {
    /// Starts it, and waits until it has looked at all domains.
    fn start(fake: &'f Fake, arguments: &[&str]) -> Self {
        let mut it = Self::begin(fake, arguments);
        it.hear("watching");
        it
    }

    /// Starts it, and waits until it listens.
    fn begin(fake: &'f Fake, arguments: &[&str]) -> Self {
        let fifo = fake.path("events");
        if !fifo.exists() {
            mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        }
        let mut process = fake.command("watch", arguments).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut it = Self { fake, process, lines, said: Vec::new(), events: None };
        it.reopen();
        it
    }

    /// Waits until it listens anew.
    fn reopen(&mut self) {
        self.events = Some(File::options().write(true).open(self.fake.path("events")).unwrap());
    }

    fn event(&mut self, domain: &str, what: &str) {
        self.write(&format!("event 'lifecycle' for domain '{domain}': {what}\n"));
    }

    fn write(&mut self, text: &str) {
        self.events.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until it says something with `what` in it, which it has not said before.
    #[track_caller]
    fn hear(&mut self, what: &str) -> String {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(error) => panic!("{error}: no {what:?} in {:#?}", self.said),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Ends it as its service would, and waits; how it ended, and all that it said.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:#?}", self.said);
            thread::sleep(Duration::from_millis(10));
        };
        self.said.extend(self.lines.iter());
        (status, std::mem::take(&mut self.said))
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Whoever reads the events ends with them.
        self.events = None;
    }
}

/// Waits until `done`.
#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "it does not come");
        thread::sleep(Duration::from_millis(10));
    }
}

fn has_device(fake: &Fake, number: usize) -> bool {
    fake.config(number).contains("<shmem name='fg_i3'>")
}

/// Takes a domain away.
fn undefine(fake: &Fake, number: usize) {
    fs::remove_dir_all(fake.path("domains").join(Fake::uuid(number))).unwrap();
}

/// Its configuration without the device, as somebody leaves it who takes it out.
fn take_out(fake: &Fake, number: usize) {
    let config = fake.config(number);
    let from = config.find("    <shmem name='fg_i3'>").unwrap();
    let to = from + config[from..].find("</shmem>").unwrap() + "</shmem>\n".len();
    fake.write(number, "config.xml", &(config[..from].to_owned() + &config[to..]));
}

fn calls(fake: &Fake, word: &str) -> usize {
    fake.calls().iter().filter(|call| call.starts_with(word)).count()
}

fn states(done: &Done) -> Vec<String> {
    done.json().iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_domain_gets_the_device_when_it_is_defined_and_not_twice() {
    let fake = Fake::new();
    fake.define(1, "there", "");
    let mut watch = Watch::begin(&fake, &[]);
    watch.hear("there: added, at 00:1f.0");
    watch.hear("watching 1 domains");
    fake.define(2, "it's': new", "");
    watch.event("it's': new", "Defined Added");
    watch.hear("it's': new: added");
    // Newer versions of libvirt tell of the change, too.
    watch.event("it's': new", "Defined Updated");
    fake.define(3, "last", "");
    watch.event("last", "Defined Added");
    watch.hear("last: added");
    assert_eq!(fake.changes(), 3);
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    assert!([1, 2, 3].into_iter().all(|number| has_device(&fake, number)));
    assert_eq!(fake.runs().len(), 3, "one for each burst");
}

#[test]
fn a_burst_is_one_round_and_a_flood_no_more() {
    let fake = Fake::new();
    let mut watch = Watch::start(&fake, &[]);
    for number in 0..50 {
        fake.define(number, &format!("vm{number:02}"), "");
    }
    let lists = || calls(&fake, "list");
    let before = lists();
    let burst: String = (0..50)
        .map(|number| format!("event 'lifecycle' for domain 'vm{number:02}': Defined Added\n"))
        .collect();
    watch.write(&burst);
    watch.hear("vm49: added");
    assert_eq!(lists() - before, 1);

    // Names that are nowhere, what is no event, a line without end.
    let flood: String = (0..20_000)
        .map(|number| format!("event 'lifecycle' for domain 'x{number}': Defined Added\n"))
        .collect();
    watch.write(&flood);
    watch.write(&"y".repeat(100_000));
    fake.define(50, "after", "");
    watch.write("\n\u{1b}[2J what is no event\n\n");
    watch.hear("after: added");
    assert_eq!(fake.changes(), 51);
    // It may come in several parts on a busy machine, not in hundreds.
    assert!(lists() - before < 50, "{}", lists());
    assert_eq!(watch.end().0.code(), Some(0));
}

#[test]
fn a_libvirt_that_goes_away_is_waited_for_and_that_is_said_once() {
    let fake = Fake::new();
    let mut watch = Watch::start(&fake, &[]);
    fake.hook("list", DENIED);
    watch.events = None;
    watch.hear("client socket is closed; waiting for it");
    let count = || fs::read_to_string(fake.path("log")).unwrap().matches("event ").count();
    let before = count();
    wait_until(|| count() >= before + 3);
    fake.define(1, "meanwhile", "");
    fs::remove_file(fake.path("hook")).unwrap();
    watch.reopen();
    watch.hear("meanwhile: added");
    watch.hear("it is back, watching 1 domains");
    fake.define(2, "later", "");
    watch.event("later", "Defined Added");
    watch.hear("later: added");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(said.iter().filter(|line| line.contains("waiting for it")).count(), 1, "{said:#?}");
}

#[test]
fn one_libvirt_does_not_wait_for_another() {
    let (down, up) = (Fake::new(), Fake::new());
    down.hook("list", DENIED);
    up.define(1, "web1", "");
    let uri = down.uri();
    let mut watch = Watch::begin(&up, &["-c", &uri]);
    watch.hear(&format!("web1 at {}: added", up.uri()));
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let done = up.run("watch", &["--once", "-c", &uri]).is(5);
    assert!(done.err.contains("Permission denied"), "{done:?}");
}

#[test]
fn what_somebody_takes_out_is_left_alone_until_a_person_names_it() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.define(2, "web2", DEVICE);
    let mut watch = Watch::start(&fake, &[]);
    take_out(&fake, 1);
    watch.event("web1", "Defined Updated");
    watch.hear("web1: removed: taken out on purpose by somebody who changed nothing else, noticed 20");
    // Another edit later makes no difference.
    fake.write(1, "config.xml", &fake.config(1).replace("65536", "70000"));
    watch.event("web1", "Defined Updated");
    fake.define(3, "web3", "");
    watch.event("web3", "Defined Added");
    watch.hear("web3: added");
    assert!(!has_device(&fake, 1));

    let status = fake.run("status", &["--json"]).is(0);
    assert_eq!(states(&status), ["removed", "ok", "ok"]);
    assert_eq!(status.json()[0]["taken_out"]["by"], "edit");
    assert_eq!(states(&fake.run("apply", &["--all", "--yes", "--json"]).is(0)), ["removed", "ok", "ok"]);
    assert_eq!(states(&fake.run("apply", &["--all", "--dry-run", "--json"]).is(0))[0], "removed");
    assert_eq!(fake.changes(), 1);
    fake.run("apply", &["web1"]).is(0);
    assert!(has_device(&fake, 1));

    // It outlives the watch, and what was taken out meanwhile is known, too.
    assert_eq!(watch.end().0.code(), Some(0));
    take_out(&fake, 2);
    let mut watch = Watch::begin(&fake, &[]);
    watch.hear("web2: removed");
    watch.end();
    let mut watch = Watch::begin(&fake, &["--again"]);
    watch.hear("web2: added");
}

#[test]
fn what_remove_takes_out_is_left_alone_until_the_domain_is_another() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.define(2, "web2", "");
    let mut watch = Watch::start(&fake, &["--exclude", "web2"]);
    fake.run("remove", &["--all"]).is(0);
    watch.event("web1", "Defined Updated");
    watch.hear("web1: removed: taken out on purpose by ivring-vm-config remove --all, 20");
    watch.end();
    let mut watch = Watch::begin(&fake, &[]);
    watch.hear("web2: removed");

    // A domain with the same UUID that is defined anew is another one.
    undefine(&fake, 1);
    watch.event("web1", "Undefined Removed");
    fake.define(1, "web1", "");
    watch.event("web1", "Defined Added");
    watch.hear("web1: added");
    // What was done to all is undone for all, what was done to one is not.
    fake.run("remove", &["web1"]).is(0);
    assert_eq!(states(&fake.run("apply", &["--all", "--json"]).is(0)), ["removed", "ok"]);
    assert!(has_device(&fake, 2));
    fake.run("apply", &["--all", "--again"]).is(0);
    assert!(has_device(&fake, 1));

    undefine(&fake, 1);
    watch.event("web1", "Undefined Removed");
    let remembered = || fs::read_to_string(fake.path("state/watch.json")).unwrap();
    wait_until(|| !remembered().contains("web1"));
    watch.end();
}

#[test]
fn a_removal_that_fails_is_no_purpose() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.hook("detach-device", "case $1 in detach-device) fail 'Failed to detach' 'no'; exit 1 ;; esac");
    fake.run("remove", &["web1"]).is(5);
    take_out(&fake, 1);
    assert_eq!(states(&fake.run("status", &["--json"]).is(1)), ["missing"]);
}

#[test]
fn rollback_to_a_domain_without_it_is_remembered() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.run("apply", &["web1"]).is(0);
    let run = fake.runs()[0].display().to_string();
    fake.run("rollback", &["--from", &run]).is(0);
    let status = fake.run("status", &["--json"]).is(0);
    assert_eq!(status.json()[0]["taken_out"]["by"], "rollback", "{status:?}");
    // And to one that has it is the opposite.
    let back = fake.runs()[1].display().to_string();
    fake.run("rollback", &["--from", &back]).is(0);
    take_out(&fake, 1);
    fake.run("status", &[]).is(1);
}

#[test]
fn case_44_what_a_snapshot_or_a_new_definition_brings_gets_it_again() {
    let fake = Fake::new();
    fake.define(1, "web1", DEVICE);
    fake.define(2, "web2", DEVICE);
    let mut watch = Watch::start(&fake, &[]);
    take_out(&fake, 1);
    watch.event("web1", "Defined Snapshot");
    watch.hear("web1: added");
    // Found before libvirt tells of it, as at a rescan.
    take_out(&fake, 1);
    watch.write("what is no event\n");
    let lists = calls(&fake, "list");
    wait_until(|| calls(&fake, "dumpxml") > 0 && calls(&fake, "list") > lists);
    watch.event("web1", "Started Snapshot");
    watch.hear("web1: added");
    take_out(&fake, 2);
    fake.write(2, "config.xml", &fake.config(2).replace("65536", "70000"));
    watch.event("web2", "Defined Updated");
    watch.hear("web2: added");
    watch.end();
}

#[test]
fn what_fails_is_told_once_and_tried_again_when_it_has_changed() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.hook(
        "attach-device",
        "case $1 in attach-device) fail 'Failed to attach device' 'no room'; exit 1 ;; esac",
    );
    let watch = Watch::start(&fake, &["--rescan", "1s"]);
    let lists = calls(&fake, "list");
    wait_until(|| calls(&fake, "list") >= lists + 4);
    assert_eq!(calls(&fake, "attach-device"), 1);
    fake.write(1, "config.xml", &fake.config(1).replace("65536", "70000"));
    wait_until(|| calls(&fake, "attach-device") == 2);
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(said.iter().filter(|line| line.contains("no room")).count(), 1, "{said:#?}");
    assert_eq!(fake.runs().len(), 0, "nothing was changed");
}

#[test]
fn the_domain_in_hand_is_finished() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", "");
    let (begun, goes_on) = (fake.path("begun"), fake.path("goes-on"));
    fake.hook(
        "attach-device",
        "case $1 in attach-device) touch $folder/begun; while [ ! -e $folder/goes-on ]; do sleep 0.05; done ;; esac",
    );
    let mut watch = Watch::begin(&fake, &[]);
    wait_until(|| begun.exists());
    watch.signal(Signal::SIGINT);
    fs::write(goes_on, "").unwrap();
    let (status, said) = watch.ended();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    assert!(has_device(&fake, 1) && !has_device(&fake, 2), "{said:#?}");
    assert_eq!(fake.runs().len(), 1);
    // Nobody listens to the events any more.
    watch.events = None;
    let nobody = open(&fake.path("events"), OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty());
    assert_eq!(nobody.err(), Some(Errno::ENXIO));
}

#[test]
fn a_running_domain_gets_it_at_once_or_with_its_next_start() {
    let fake = Fake::new();
    for (number, name) in [(1, "web1"), (2, "noacpi")] {
        let xml = Fake::xml(number, name, "");
        let xml = if number == 2 { xml.replace("<acpi/>", "") } else { xml };
        fake.define(number, name, "");
        fake.write(number, "config.xml", &xml);
        fake.write(number, "live.xml", &xml.replace("<domain ", "<domain id='1' "));
    }
    let mut watch = Watch::begin(&fake, &["--live"]);
    let told = watch.hear("noacpi: added");
    assert!(told.contains("pending: from its next start on") && told.contains("not at once"), "{told}");
    assert!(!watch.hear("web1: added").contains("pending"));
    assert!(fake.read(1, "live.xml").contains("fg_i3") && !fake.read(2, "live.xml").contains("fg_i3"));
    assert!(has_device(&fake, 1) && has_device(&fake, 2));
    watch.end();
}

#[test]
fn once_is_one_look_with_the_codes_of_apply() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    fake.define(2, "web2", DEVICE);
    fake.define(3, "win1", "");
    let done = fake.run("watch", &["--once", "--json", "--exclude", "win*"]).is(0);
    let rows: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1, "{done:?}");
    assert_eq!(
        (&rows[0]["domain"], &rows[0]["action"], &rows[0]["done"]),
        (&"web1".into(), &"insert".into(), &true.into())
    );
    assert_eq!(fake.changes(), 1);
    fake.define(4, "bad", &DEVICE.replace(">8<", ">4<"));
    let done = fake.run("watch", &["--once", "--exclude", "win*"]).is(3);
    assert!(done.err.contains("bad: differs: "), "{done:?}");
    assert_eq!(calls(&fake, "event"), 0);
}

#[test]
fn what_cannot_be_remembered_stops_it_before_anything_is_changed() {
    let fake = Fake::new();
    fake.define(1, "web1", "");
    let state = fake.path("broken.json");
    fs::write(&state, "{\"version\":1,").unwrap();
    let state_file = ["--state-file", state.to_str().unwrap()];
    for (command, arguments) in
        [("watch", &["--once"][..]), ("watch", &[]), ("apply", &["web1"]), ("remove", &["--all"])]
    {
        let done = fake.run(command, &[arguments, &state_file].concat()).is(5);
        assert!(done.err.contains("broken.json") && done.err.contains("move it away"), "{done:?}");
    }
    // A look tells it, and the rest.
    let done = fake.run("status", &state_file).is(1);
    assert!(done.err.contains("move it away") && done.out.contains("missing"), "{done:?}");
    assert_eq!((fake.changes(), fs::read_to_string(&state).unwrap()), (0, "{\"version\":1,".to_owned()));
}
