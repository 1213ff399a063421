//! A witness that is killed, stopped and started again, and what all its lives have noted.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::Stop;
use crate::witness::{Disproof, Line, What, read_journal};
use crate::{Error, Lab, Process};

/// A witness, life after life.
pub(super) struct Member<'a> {
    lab: &'a Lab,
    name: String,
    /// What the others call it.
    peer: String,
    arguments: Vec<String>,
    process: Option<Process>,
    lives: u32,
    /// The number of its present life, once it has noted that.
    life: Option<u64>,
    journal: PathBuf,
    /// How far the journal of the present life has been read, in bytes.
    read: u64,
    /// What its lives have noted since they were last forgotten.
    lines: Vec<Line>,
    /// Where what follows the last start begins.
    mark: usize,
}

impl<'a> Member<'a> {
    /// A witness with these arguments, yet to be started. The others call it `peer`.
    pub(super) fn new(lab: &'a Lab, name: &str, peer: &str, arguments: &[&str]) -> Self {
        Self {
            lab,
            name: name.to_owned(),
            peer: peer.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
            lives: 0,
            life: None,
            journal: PathBuf::new(),
            read: 0,
            lines: Vec::new(),
            mark: 0,
        }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the others call it.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// What it has noted, as far as that has been [read](Self::read).
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Starts it with what it is to do, in a journal of its own: a process that was stopped may still write into the last.
    pub(super) fn start(&mut self, work: &[String]) -> Result<(), Error> {
        self.lives += 1;
        self.life = None;
        self.journal = self.lab.logs().join(format!("{}.{}.journal", self.name, self.lives));
        self.read = 0;
        self.mark = self.lines.len();
        let program = std::env::current_exe().map_err(Error::io("cannot find this program"))?;
        let mut command = Command::new(program);
        command.arg("witness").args(&self.arguments).arg("--journal").arg(&self.journal).args(work);
        self.process = Some(self.lab.spawn(&self.name, command)?);
        Ok(())
    }

    /// It runs where this process cannot start it, and all its lives write to `journal`.
    pub(super) fn writes_to(&mut self, journal: &Path) {
        self.journal = journal.to_owned();
    }

    /// It is about to be started there.
    pub(super) fn start_elsewhere(&mut self) -> Result<(), Error> {
        self.read()?;
        self.life = None;
        self.mark = self.lines.len();
        Ok(())
    }

    /// Whether its present life has noted that it ends.
    pub(super) fn has_ended(&self) -> bool {
        self.since().contains(&Line::End)
    }

    /// Reads what it has noted since.
    pub(super) fn read(&mut self) -> Result<(), Error> {
        let what = || Error::io(format!("cannot read {}", self.journal.display()));
        let mut file = match fs::File::open(&self.journal) {
            Ok(file) => file,
            // It has not begun yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(what()(error)),
        };
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut text)).map_err(what())?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        // A console has other lines too.
        for line in read_journal(&String::from_utf8_lossy(&text[..whole])) {
            if let Line::Start { life } = line {
                self.life = Some(life);
            }
            self.lines.push(line);
        }
        Ok(())
    }

    /// What it has noted since its start, or since the last [look](Self::look_from_here).
    fn since(&self) -> &[Line] {
        &self.lines[self.mark..]
    }

    /// What it has noted before is not looked at any more when it is asked whether it has heard somebody.
    pub(super) fn look_from_here(&mut self) {
        self.mark = self.lines.len();
    }

    /// Whether it has received a message of the present life of another since the last [look](Self::look_from_here).
    pub(super) fn hears(&self, other: &Self) -> bool {
        self.since().iter().rev().any(|line| other.is_sender(line).is_some())
    }

    /// Whether it has received the message of this number of the present life of another, in whatever life of its own.
    pub(super) fn has_heard(&self, other: &Self, number: u64) -> bool {
        self.lines.iter().rev().any(|line| other.is_sender(line) == Some(number))
    }

    /// The number of a message if it was received from this one's present life.
    fn is_sender(&self, line: &Line) -> Option<u64> {
        match line {
            Line::Received { peer, what: What::Record, life, number, .. }
                if Some(*life) == self.life && *peer == self.peer =>
            {
                Some(*number)
            }
            _ => None,
        }
    }

    /// Whether something has happened in its present life, by the word that it is noted with.
    pub(super) fn has_noted(&self, happened: &str) -> bool {
        self.since().iter().any(|line| matches!(line, Line::Event { what, .. } if what == happened))
    }

    /// Sends it a signal. SIGKILL is waited for.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.signal(signal)
    }

    /// SIGKILL: it writes nothing more. Reads what it had noted.
    pub(super) fn kill(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        self.read()
    }

    /// The process, to be kept by somebody else; what it has noted so far counts, and nothing after.
    pub(super) fn give_up(&mut self) -> Result<Option<Process>, Error> {
        self.read()?;
        Ok(self.process.take())
    }

    /// Whether it has ended by itself, which it must not.
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        let Some(process) = &mut self.process else { return Ok(()) };
        match process.status()? {
            None => Ok(()),
            Some(status) => {
                let log = process.log().display();
                Err(Disproof(format!("{} has ended by itself ({status}), see {log}", self.name)).into())
            }
        }
    }

    /// Asks it to end and waits until it has; it ends with 0.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGTERM)?;
            let status = process.wait(super::LIMIT)?;
            if !status.success() {
                let log = process.log().display();
                return Err(Error::Failed(format!("{} ended with {status}, see {log}", self.name)));
            }
        }
        self.read()
    }

    /// Forgets all that it has noted, and removes the journals.
    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.mark = 0;
        for life in 1..=self.lives {
            // Those of earlier rounds are gone already.
            let _ = fs::remove_file(self.journal.with_file_name(format!("{}.{life}.journal", self.name)));
        }
        self.lives = 0;
    }
}
