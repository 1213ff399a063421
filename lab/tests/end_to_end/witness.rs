//! The witness at work on both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ivring_lab::witness::{End, Line, What, read_journal};
use ivring_lab::{Guest, Lab, Plan, Process};
use nix::sys::signal::Signal;

use crate::setup::{LIMIT, output, wait_for};

/// What a guest's witness calls its peer.
pub const HOST: &str = "host";
/// The port of a witness, where there is one in a guest.
const PORT: &str = "witness";
/// Where a guest's witness keeps its journal.
const JOURNAL: &str = "/tmp/journal";
/// How the first line of a life begins.
const START: &str = "{\"is\":\"start\"";

/// The witness as a process of the host. Its journal goes on over its lives.
pub struct Witness<'a> {
    lab: &'a Lab,
    side: &'static str,
    arguments: Vec<String>,
    journal: PathBuf,
    process: Process,
}

impl<'a> Witness<'a> {
    /// Starts it as the host of the region at `path`; `load` says what it sends.
    pub fn host(lab: &'a Lab, path: &str, load: &[&str]) -> Self {
        Self::start(lab, "host", &["--region", path], load)
    }

    /// Starts it in the place of a guest with this UUID.
    pub fn guest(lab: &'a Lab, path: &str, uuid: &str, load: &[&str]) -> Self {
        Self::start(lab, "guest", &["--region", path, "--id", uuid, "--port", PORT], load)
    }

    fn start(lab: &'a Lab, side: &'static str, arguments: &[&str], load: &[&str]) -> Self {
        let journal = lab.logs().join(format!("{side}.journal"));
        let text = journal.display().to_string();
        let all = [&[side, "--journal", &text], arguments].concat();
        let arguments: Vec<_> = all.into_iter().map(str::to_owned).collect();
        let process = Self::spawn(lab, side, &arguments, load);
        let witness = Self { lab, side, arguments, journal, process };
        witness.wait_for_lives(1);
        witness
    }

    fn spawn(lab: &Lab, side: &str, arguments: &[String], load: &[&str]) -> Process {
        // Linked as usual: looking up a group's name in a static program crashes in glibc.
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-witness"));
        command.args(arguments).args(load);
        lab.spawn(&format!("{side}-witness"), command).expect("it starts")
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.journal).unwrap_or_default()
    }

    fn wait_for_lives(&self, count: usize) {
        wait_for(&format!("a start of the {}'s witness", self.side), || {
            (self.text().matches(START).count() == count).then_some(())
        });
    }

    /// SIGKILL: it writes nothing more.
    pub fn kill(&mut self) {
        assert_eq!(self.process.status().expect("it can be asked"), None, "it should run until now");
        self.process.kill().expect("it ends");
    }

    /// Starts it again, with a load of its own.
    pub fn start_again(&mut self, load: &[&str]) {
        let before = self.text().matches(START).count();
        self.process = Self::spawn(self.lab, self.side, &self.arguments, load);
        self.wait_for_lives(before + 1);
    }

    /// Stops it, so that it sees nothing, or lets it go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal).expect("it runs");
    }

    /// Asks it to end, and waits until it has noted what it was told at last.
    pub fn end(&mut self) {
        self.process.signal(Signal::SIGTERM).expect("it runs");
        let status = self.process.wait(LIMIT).expect("it ends");
        assert_eq!(status.code(), Some(0), "see {}", self.process.log().display());
        assert_eq!(self.journal().last(), Some(&Line::End), "it was told all");
    }

    /// Lets it go on after a stop, and kills it in the midst of what has come meanwhile.
    pub fn go_on_and_kill(&mut self) {
        let length = || fs::metadata(&self.journal).expect("it has a journal").len();
        let before = length();
        let deadline = Instant::now() + LIMIT;
        self.process.signal(Signal::SIGCONT).expect("it runs");
        // About a dozen lines; no pause, in which it would be done with all of it.
        while length() < before + 1000 {
            assert!(Instant::now() < deadline, "it does not go on; see {}", self.journal.display());
        }
        self.kill();
    }

    pub fn journal(&self) -> Vec<Line> {
        read_journal(&self.text())
    }

    /// The number of its present life.
    pub fn life(&self) -> u64 {
        *lives(&self.journal()).last().expect("it has started")
    }

    /// Waits until the journal holds `count` messages received from `peer`, repeats included.
    pub fn wait_for_messages(&self, peer: &str, count: usize) {
        wait_for(&format!("{count} messages from {peer}; see {}", self.journal.display()), || {
            (received(&self.journal(), peer) >= count).then_some(())
        });
    }

    /// Waits until the journal holds a message of a life of `peer`.
    pub fn wait_for_message(&self, peer: &str, life: u64, number: u64) {
        wait_for(&format!("message {number} from {peer}; see {}", self.journal.display()), || {
            has(&self.journal(), peer, life, number).then_some(())
        });
    }

    /// Waits until the journal holds this many ends of what was sent to `peer`.
    pub fn wait_for_ends(&self, peer: &str, count: usize) {
        wait_for(&format!("{count} ends with {peer}; see {}", self.journal.display()), || {
            (ends(&self.journal(), peer).len() >= count).then_some(())
        });
    }

    /// As [`Witness::wait_for_ends`], of what this life has sent.
    pub fn wait_for_ends_of_this_life(&self, peer: &str, count: usize) {
        wait_for(&format!("{count} ends with {peer}; see {}", self.journal.display()), || {
            let text = self.text();
            (ends(&read_journal(&text[text.rfind(START)?..]), peer).len() >= count).then_some(())
        });
    }

    /// Waits for an event, and returns its detail.
    pub fn wait_for_event(&self, peer: &str, what: &str) -> String {
        wait_for(&format!("{what} of {peer}; see {}", self.journal.display()), || {
            details(&self.journal(), peer, what).pop()
        })
    }

    /// Waits for an event with this detail.
    pub fn wait_for_detail(&self, peer: &str, what: &str, detail: &str) {
        wait_for(&format!("{what} {detail} of {peer}; see {}", self.journal.display()), || {
            details(&self.journal(), peer, what).contains(&detail.to_owned()).then_some(())
        });
    }

    /// As [`Witness::wait_for_event`], for one that has not happened to an earlier life.
    pub fn wait_for_event_of_this_life(&self, peer: &str, what: &str) -> String {
        wait_for(&format!("{what} of {peer}; see {}", self.journal.display()), || {
            let text = self.text();
            details(&read_journal(&text[text.rfind(START)?..]), peer, what).pop()
        })
    }
}

/// How many messages a journal holds that were received from `peer`, repeats included.
pub fn received(journal: &[Line], from: &str) -> usize {
    journal
        .iter()
        .filter(|line| matches!(line, Line::Received { peer, what: What::Record, .. } if peer == from))
        .count()
}

/// How many messages a journal holds that were sent to `peer`.
pub fn sent(journal: &[Line], to: &str) -> usize {
    journal
        .iter()
        .filter(|line| matches!(line, Line::Sent { peer, what: What::Record, .. } if peer == to))
        .count()
}

/// What a journal says became of what was sent to a peer in fragments, or asked.
pub fn ends(journal: &[Line], to: &str) -> Vec<End> {
    let end = |line: &Line| match line {
        Line::Ended { peer, how, .. } if peer == to => Some(*how),
        _ => None,
    };
    journal.iter().filter_map(end).collect()
}

/// How many messages a journal says were never received by a peer, each time that it says so.
pub fn undelivered(journal: &[Line], by: &str) -> Vec<u64> {
    let count = |line: &Line| match line {
        Line::Undelivered { peer, count, .. } if peer == by => Some(*count),
        _ => None,
    };
    journal.iter().filter_map(count).collect()
}

/// The details of all events of a kind with a peer.
pub fn details(journal: &[Line], with: &str, kind: &str) -> Vec<String> {
    let detail = |line: &Line| match line {
        Line::Event { peer, what, detail } if peer == with && what == kind => Some(detail.clone()),
        _ => None,
    };
    journal.iter().filter_map(detail).collect()
}

/// What the host calls the witness in a guest.
pub fn peer(plan: &Plan) -> String {
    format!("{}:{PORT}", plan.uuid)
}

/// Starts a witness in a guest and returns its process there. The journal goes on over its lives; `load` says what it
/// sends.
pub fn start_in(guest: &mut Guest, load: &[&str]) -> String {
    start_and_wait(guest, PORT, JOURNAL, load)
}

/// The same with a port of its own, and a journal named after that.
pub fn start_as(guest: &mut Guest, port: &str, load: &[&str]) -> String {
    start_and_wait(guest, port, &format!("{JOURNAL}-{port}"), load)
}

/// Starts one with the console as its journal, which outlives the guest: see [`journal_on_console`].
pub fn start_on_console(guest: &mut Guest, load: &[&str]) {
    start(guest, PORT, "/dev/console", load);
}

fn start_and_wait(guest: &mut Guest, port: &str, journal: &str, load: &[&str]) -> String {
    let before = lives_in(guest, journal).len();
    let process = start(guest, port, journal, load);
    wait_for("a start of the guest's witness", || (lives_in(guest, journal).len() > before).then_some(()));
    process
}

fn start(guest: &mut Guest, port: &str, journal: &str, load: &[&str]) -> String {
    let arguments = format!("guest --port {port} --journal {journal} {}", load.join(" "));
    // What it says goes to the console, which is kept.
    output(guest, &format!("ivring-witness {arguments} >/dev/console 2>&1 & echo $!"))
}

/// SIGKILL for a process in a guest, which writes nothing more then.
pub fn kill_in(guest: &mut Guest, process: &str) {
    // The shell that started it has ended, so init reaps it, or it stays a zombie.
    let gone = format!("[ -z \"$(tr -d '\\0' </proc/{process}/cmdline 2>/dev/null)\" ]");
    output(guest, &format!("kill -9 {process}; until {gone}; do sleep 0.02; done"));
}

/// Asks a witness in a guest to end, and waits until it has noted what it was told at last.
pub fn end_in(guest: &mut Guest, process: &str) {
    output(
        guest,
        &format!("kill {process}; until tail -n 1 {JOURNAL} | grep -q '\"end\"'; do sleep 0.02; done"),
    );
}

/// Waits until the journal in a guest holds this many ends of what was sent to the host.
pub fn wait_for_ends_in(guest: &mut Guest, count: usize) {
    wait_for(&format!("{count} ends in {}", guest.name()), || {
        let lines = output(guest, &format!("grep '\"ended\"' {JOURNAL} || true"));
        (read_journal(&lines).len() >= count).then_some(())
    });
}

/// Waits until the journal in a guest holds an event with this detail.
pub fn wait_for_event_in(guest: &mut Guest, what: &str, detail: &str) {
    wait_for(&format!("{what} {detail} in {}", guest.name()), || {
        let lines = output(guest, &format!("grep '\"{what}\"' {JOURNAL} || true"));
        details(&read_journal(&lines), HOST, what).contains(&detail.to_owned()).then_some(())
    });
}

/// The journal of the witness in a guest.
pub fn journal_in(guest: &mut Guest) -> Vec<Line> {
    read_journal(&output(guest, &format!("cat {JOURNAL}")))
}

/// The journal that a witness writes to its guest's console. Its last lines may still be on their way.
pub fn journal_on_console(console: &Path) -> Vec<Line> {
    read_journal(&String::from_utf8_lossy(&fs::read(console).expect("the console is kept")))
}

/// The number of the present life of the witness in a guest.
pub fn life_in(guest: &mut Guest) -> u64 {
    *lives_in(guest, JOURNAL).last().expect("it has started")
}

fn lives_in(guest: &mut Guest, journal: &str) -> Vec<u64> {
    lives(&read_journal(&output(guest, &format!("grep '\"start\"' {journal} 2>/dev/null || true"))))
}

/// Waits until the witness in a guest has received a message of a life of the host.
pub fn wait_for_message_in(guest: &mut Guest, life: u64, number: u64) {
    wait_for(&format!("message {number} in {}", guest.name()), || {
        let lines = output(guest, &format!("grep '\"life\":{life},\"number\":{number},' {JOURNAL} || true"));
        has(&read_journal(&lines), HOST, life, number).then_some(())
    });
}

fn lives(journal: &[Line]) -> Vec<u64> {
    let life = |line: &Line| if let Line::Start { life } = line { Some(*life) } else { None };
    journal.iter().filter_map(life).collect()
}

fn has(journal: &[Line], from: &str, of: u64, wanted: u64) -> bool {
    let is_it = |line: &Line| matches!(line, Line::Received { peer, what: What::Record, life, number, .. } if peer == from && (*life, *number) == (of, wanted));
    journal.iter().any(is_it)
}
