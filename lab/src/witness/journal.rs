//! What a witness writes down: JSON objects, one a line.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One line of a journal. A peer is `host`, or a guest's `UUID:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Line {
    /// A program has started; its messages carry this random number.
    Start {
        /// The number.
        life: u64,
    },
    /// Something has been sent.
    Sent {
        /// To whom.
        peer: String,
        /// What.
        what: What,
        /// Its number in this life, from 0 for each kind; that of the message that an echo is of.
        number: u64,
        /// The number that the library gave to it.
        id: u64,
    },
    /// The library has told what became of something that was sent, under its own number.
    Ended {
        /// To whom it was sent.
        peer: String,
        /// The library's number.
        id: u64,
        /// What became of it.
        how: End,
    },
    /// The library has told of messages that were never received.
    Undelivered {
        /// To whom they were sent.
        peer: String,
        /// How many there are.
        count: u64,
        /// The library's number of the first.
        first: u64,
    },
    /// Something was received, and is as it was sent.
    Received {
        /// From whom.
        peer: String,
        /// What.
        what: What,
        /// The sender's life; the own one where it is an echo.
        life: u64,
        /// Its number.
        number: u64,
        /// Whether it was marked as one that may have been received before.
        again: bool,
    },
    /// All that was received is about to be done with. Only a witness that receives in batches says so: another is done
    /// with each message when it looks for the next.
    Done,
    /// A message was received that is not as it was sent.
    Damaged {
        /// From whom.
        peer: String,
        /// What is wrong with it.
        what: String,
    },
    /// Something else has happened.
    Event {
        /// With whom.
        peer: String,
        /// What, in one word.
        what: String,
        /// More of it, for people and tests.
        detail: String,
    },
    /// The program ends, and has been told all that it will ever be.
    End,
}

/// What goes over a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A message in one record.
    Record,
    /// A message in fragments.
    Large,
    /// A large message, sent back.
    Echo,
    /// A request.
    Request,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The peer is done with it.
    Delivered,
    /// The peer's program ended, or the session did, before that was known.
    Interrupted,
    /// The peer would not take it.
    Declined,
    /// The answer has come, and is right.
    Answered,
    /// The answer has not come in time.
    TimedOut,
    /// The session ended before the answer.
    Detached,
}

/// A file, or a console, that is written a line at a time.
#[derive(Debug)]
pub struct Journal {
    file: File,
    life: u64,
}

impl Journal {
    /// Goes on with the journal at `path`, or begins it, and notes the start.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let life = random()?;
        let file = File::options().create(true).append(true).open(path)?;
        let mut journal = Self { file, life };
        journal.write(&Line::Start { life })?;
        Ok(journal)
    }

    /// The number of this life.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Writes a line with one system call: what has been written outlives the process.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }

    /// Notes an event.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn event(&mut self, peer: &str, what: &str, detail: impl ToString) -> io::Result<()> {
        let (peer, what, detail) = (peer.to_owned(), what.to_owned(), detail.to_string());
        self.write(&Line::Event { peer, what, detail })
    }
}

/// The kernel's random number, without a generator of one's own.
pub(super) fn random() -> io::Result<u64> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    // 12 digits: a JSON reader that keeps numbers as doubles is exact to 13.
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    u64::from_str_radix(&digits, 16).map_err(io::Error::other)
}

/// The lines of a journal. Other lines, as there are on a console, are passed over, and so is one that was cut off.
#[must_use]
pub fn read_journal(text: &str) -> Vec<Line> {
    text.lines().filter_map(|line| serde_json::from_str(line.trim_end()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_gone_on_with_and_read_between_other_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = Journal::open(file.path()).unwrap().life();
        fs::write(file.path(), fs::read_to_string(file.path()).unwrap() + "[  1.0] a kernel's line\r\n")
            .unwrap();
        let mut journal = Journal::open(file.path()).unwrap();
        let second = journal.life();
        assert_ne!(first, second);
        let (peer, what) = ("host".to_owned(), What::Record);
        let received = Line::Received { peer, what, life: first, number: 7, again: true };
        journal.write(&received).unwrap();
        journal.event("host", "back", "").unwrap();
        let mut text = fs::read_to_string(file.path()).unwrap().replace('\n', "\r\n");
        text.push_str("{\"is\":\"start\",\"li");
        let event = Line::Event { peer: "host".into(), what: "back".into(), detail: String::new() };
        assert_eq!(
            read_journal(&text),
            [Line::Start { life: first }, Line::Start { life: second }, received, event]
        );
    }
}
