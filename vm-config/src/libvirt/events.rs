//! What happens to the domains of a libvirt, as it tells it.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::virsh::{errors_in, read, spawn};
use super::{Connection, LibvirtError};

/// What virsh prints once it is connected. A quiet one ends no line after it.
const CONNECTED: &str = "connected";
/// Domains have names of a few dozen bytes. What is longer than this is no event, and not kept.
const LONGEST_LINE: usize = 4096;
/// How much of what virsh complains about is kept.
const MOST_COMPLAINED: u64 = 64 << 10;

/// Something that happened to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of the domain.
    pub domain: String,
    /// What it was.
    pub happened: Happened,
}

/// What can happen to a domain, as far as it matters to its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It has the configuration that a snapshot of it has kept.
    Reverted,
    /// It has no configuration any more.
    Undefined,
    /// Anything else: it was defined, edited, renamed, started or stopped.
    Other,
}

/// What is heard of a libvirt.
#[derive(Debug)]
pub enum News {
    /// It answers, and tells of what happens from now on.
    Connected,
    /// Something happened to a domain.
    Event(Event),
    /// Something happened that cannot be read, so it may have been to any domain.
    Unclear,
    /// Nothing more will be heard.
    Ended(LibvirtError),
}

impl Event {
    /// The event that virsh tells in the line `line`.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        // Names may have quotes and colons, what happens has none.
        let (domain, what) = line.strip_prefix("event 'lifecycle' for domain '")?.rsplit_once("': ")?;
        let happened = match what.trim_end() {
            // The restart from a managed save is `Resumed Snapshot`, too, and none.
            "Defined Snapshot" | "Started Snapshot" | "Stopped Snapshot" => Happened::Reverted,
            "Undefined Removed" => Happened::Undefined,
            _ => Happened::Other,
        };
        Some(Self { domain: domain.to_owned(), happened })
    }
}

/// The events of one libvirt, from a virsh that runs until this is dropped.
#[derive(Debug)]
pub struct Events {
    /// In a process group of its own, with all that it starts to get there.
    virsh: Child,
    reader: Option<JoinHandle<()>>,
}

impl Events {
    /// Listens at `connection`; `tell` is called for each of the news, on a thread of its own, which waits for it. The last
    /// of them is [`News::Ended`].
    ///
    /// # Errors
    ///
    /// [`LibvirtError`] if there is no virsh.
    pub fn listen(
        connection: &Connection,
        mut tell: impl FnMut(News) + Send + 'static,
    ) -> Result<Self, LibvirtError> {
        let script = format!("echo {CONNECTED}; event --event lifecycle --loop; ");
        let mut virsh = spawn(connection.virsh().command(&[&script]).stdin(Stdio::null()).process_group(0))?;
        let (stdout, stderr) = (virsh.stdout.take(), virsh.stderr.take());
        let uri = connection.uri().to_owned();
        let mut events = Self { virsh, reader: None };
        let read_both = move || {
            let complaints = thread::scope(|scope| {
                let complaints = scope.spawn(move || read(stderr, MOST_COMPLAINED));
                if let Some(stdout) = stdout {
                    tell_lines(stdout, &mut tell);
                }
                complaints.join()
            });
            // What cannot be read is no complaint.
            let complaints = complaints.map(Result::unwrap_or_default).unwrap_or_default();
            tell(News::Ended(LibvirtError::of(&uri, "event", &errors_in(&complaints))));
        };
        events.reader = Some(thread::Builder::new().spawn(read_both)?);
        Ok(events)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It was not waited for yet, so the number is still its own.
        if let Ok(group) = i32::try_from(self.virsh.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.virsh.wait();
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// Tells what the lines of `pipe` say, until it ends.
fn tell_lines(mut pipe: impl Read, tell: &mut impl FnMut(News)) {
    let mut lines = Lines::default();
    let mut bytes = [0; 4096];
    loop {
        match pipe.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(length) => {
                bytes.get(..length).unwrap_or_default().iter().for_each(|byte| lines.add(*byte, tell))
            }
        }
    }
}

/// Puts bytes together to lines.
#[derive(Debug, Default)]
struct Lines {
    connected: bool,
    line: Vec<u8>,
    /// Whether the line is longer than any that matters.
    is_too_long: bool,
}

impl Lines {
    fn add(&mut self, byte: u8, tell: &mut impl FnMut(News)) {
        if byte == b'\n' {
            let line = std::mem::take(&mut self.line);
            let is_too_long = std::mem::take(&mut self.is_too_long);
            if is_too_long || !line.is_empty() {
                let event = str::from_utf8(&line).ok().filter(|_| !is_too_long).and_then(Event::read);
                tell(event.map_or(News::Unclear, News::Event));
            }
        } else if self.line.len() == LONGEST_LINE {
            self.is_too_long = true;
        } else {
            self.line.push(byte);
        }
        if !self.connected && self.line == CONNECTED.as_bytes() {
            self.connected = true;
            self.line.clear();
            tell(News::Connected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(domain: &str, happened: Happened) -> Option<Event> {
        Some(Event { domain: domain.to_owned(), happened })
    }

    #[test]
    fn events_are_read_as_virsh_tells_them() {
        for (what, happened) in [
            ("Defined Added", Happened::Other),
            ("Defined Snapshot", Happened::Reverted),
            ("Started Snapshot", Happened::Reverted),
            ("Resumed Snapshot", Happened::Other),
            ("Undefined Removed", Happened::Undefined),
            ("Undefined Renamed", Happened::Other),
            ("Stopped Destroyed", Happened::Other),
        ] {
            let line = format!("event 'lifecycle' for domain 'web1': {what}");
            assert_eq!(Event::read(&line), event("web1", happened), "{line}");
        }
        let odd = "event 'lifecycle' for domain 'it's': Defined 'odd': Undefined Removed";
        assert_eq!(Event::read(odd), event("it's': Defined 'odd", Happened::Undefined));
        for line in
            ["", "events received: 3", "event 'reboot' for domain 'a'", "event 'lifecycle' for domain 'a"]
        {
            assert_eq!(Event::read(line), None, "{line}");
        }
    }

    fn told(text: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        tell_lines(text, &mut |news| told.push(format!("{news:?}")));
        told
    }

    #[test]
    fn lines_are_told_from_the_connection_on() {
        let text =
            "connectedevent 'lifecycle' for domain 'a': Defined Added\n\nnonsense\nconnected\nhalf a line";
        let added = format!("{:?}", News::Event(event("a", Happened::Other).unwrap()));
        assert_eq!(told(text.as_bytes()), ["Connected", &added, "Unclear", "Unclear"]);
        assert_eq!(told(b"event 'lifecycle' for domain '\xff': Defined Added\n"), ["Unclear"]);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut lines = Lines::default();
        let mut told = 0;
        for byte in std::iter::repeat_n(b'x', 10 * LONGEST_LINE).chain(*b"\n") {
            lines.add(byte, &mut |_| told += 1);
            assert!(lines.line.capacity() <= 2 * LONGEST_LINE);
        }
        assert_eq!(told, 1);
    }
}
