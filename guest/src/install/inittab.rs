//! The agent's line in `/etc/inittab`: init starts the program, and starts it again whenever it ends.
//!
//! Both kinds of plain init read this file, and differ in what the first field means: inittab(5) of sysvinit, and the
//! head of `init/init.c` in busybox. So no shell script has to watch over a process that init can watch itself.

use super::ours::MARK;

/// The words that start the agent.
const COMMAND: &str = "ivring-agent run";

/// A plain init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The first field is a terminal, by default the console; there are no runlevels.
    Busybox,
    /// The first field is a unique id of up to four characters, the second names runlevels.
    Sysv,
}

/// What an inittab says about the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Nothing.
    None,
    /// An installation's two lines, which start this program.
    Ours {
        /// Path of the program.
        program: String,
    },
    /// Somebody else's line.
    Foreign {
        /// Its number, from 1.
        line: usize,
    },
}

/// Finds the agent's entry.
pub(super) fn find(text: &str) -> Entry {
    let mut lines = (1..).zip(text.lines());
    let mut ours = None;
    while let Some((number, line)) = lines.next() {
        if line.starts_with(MARK) {
            ours = lines.next().and_then(|(_, entry)| program(entry)).or(ours);
        } else if !line.trim_start().starts_with('#') && line.contains(COMMAND) {
            return Entry::Foreign { line: number };
        }
    }
    ours.map_or(Entry::None, |program| Entry::Ours { program: program.to_owned() })
}

/// The program that an installation's line starts.
fn program(entry: &str) -> Option<&str> {
    let process = entry.splitn(4, ':').nth(3)?;
    process.contains(COMMAND).then(|| process.split(' ').next()).flatten()
}

/// The text with an installation's entry for `program`, at the end, and no other.
///
/// Messages go to the kernel's log: that is there before any log daemon, is bounded, and reaches the log daemon's files.
pub(super) fn with(text: &str, dialect: Dialect, program: &str) -> String {
    let mut text = without(text);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let fields = match dialect {
        Dialect::Busybox => "::respawn",
        Dialect::Sysv => "ivri:2345:respawn",
    };
    text + &format!("{MARK}\n{fields}:{program} run 2>/dev/kmsg\n")
}

/// The text without an installation's entry.
pub(super) fn without(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with(MARK) {
            kept.push_str(line);
        } else if lines.peek().is_some_and(|entry| program(entry).is_some()) {
            lines.next();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "# a comment\n::sysinit:/etc/rcS\ntty1::askfirst:/bin/sh";
    const PROGRAM: &str = "/usr/local/bin/ivring-agent";

    #[test]
    fn an_entry_comes_and_goes_and_leaves_the_rest() {
        for (dialect, line) in [
            (Dialect::Busybox, "::respawn:/usr/local/bin/ivring-agent run 2>/dev/kmsg"),
            (Dialect::Sysv, "ivri:2345:respawn:/usr/local/bin/ivring-agent run 2>/dev/kmsg"),
        ] {
            let text = with(OTHERS, dialect, PROGRAM);
            assert_eq!(text, format!("{OTHERS}\n{MARK}\n{line}\n"));
            assert_eq!(find(&text), Entry::Ours { program: PROGRAM.to_owned() });
            assert_eq!(with(&text, dialect, PROGRAM), text, "never twice");
            assert_eq!(without(&text), format!("{OTHERS}\n"));
            let more = format!("{text}::ctrlaltdel:/bin/reboot\n");
            assert_eq!(without(&more), format!("{OTHERS}\n::ctrlaltdel:/bin/reboot\n"));
        }
        assert_eq!(without(OTHERS), OTHERS);
        assert_eq!(find(OTHERS), Entry::None);
    }

    #[test]
    fn only_marked_lines_are_ours() {
        let by_hand = format!("{OTHERS}\n::respawn:/bin/ivring-agent run\n");
        assert_eq!(find(&by_hand), Entry::Foreign { line: 4 });
        assert_eq!(without(&by_hand), by_hand);
        assert_eq!(find("# ::respawn:/bin/ivring-agent run\n"), Entry::None);
        // The line behind the mark was replaced by hand: it is kept.
        let replaced = format!("{MARK}\n::respawn:/bin/other\n");
        assert_eq!((find(&replaced), without(&replaced).as_str()), (Entry::None, "::respawn:/bin/other\n"));
        assert_eq!((find(MARK), without(MARK).as_str()), (Entry::None, ""));
    }
}
