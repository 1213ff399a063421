//! What became of one input, for people and for programs.

use ivring_vm_config::{Action, Domain, InPlaceError, Notice, Plan, Position, Refused, Unreadable, unified};
use serde::Serialize;

use crate::exit;

/// What became of one input.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The path as it was given, or `-`.
    file: String,
    #[serde(flatten)]
    domain: DomainNames,
    /// What there is to do: `none`, `insert`, `replace` or `remove`; absent after an error.
    action: Option<&'static str>,
    /// Whether it was done, in the file itself.
    written: bool,
    /// The region of the device.
    region: Option<String>,
    /// The PCI address, unless libvirt chooses it.
    address: Option<String>,
    /// Where the previous content is.
    backup: Option<String>,
    /// What changes, as a unified diff.
    diff: Option<String>,
    /// The whole XML as it is to be, for standard output.
    #[serde(skip)]
    text: Option<String>,
    notices: Vec<Message>,
    error: Option<Message>,
    #[serde(skip)]
    exit: u8,
}

#[derive(Debug, Default, Serialize)]
struct DomainNames {
    domain: Option<String>,
    uuid: Option<String>,
}

/// A notice or an error, with the place it is about.
#[derive(Debug, Serialize)]
pub struct Message {
    pub code: &'static str,
    pub message: String,
    line: Option<usize>,
    column: Option<usize>,
}

impl Message {
    pub fn new(code: &'static str, message: String, at: Option<Position>) -> Self {
        Self { code, message, line: at.map(|at| at.line), column: at.map(|at| at.column) }
    }

    fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        }
    }
}

impl Outcome {
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            domain: DomainNames::default(),
            action: None,
            written: false,
            region: None,
            address: None,
            backup: None,
            diff: None,
            text: None,
            notices: Vec::new(),
            error: None,
            exit: 0,
        }
    }

    /// The outcome so far: `domain` was read.
    pub fn of_domain(mut self, domain: &Domain<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.domain = DomainNames { domain: owned(domain.name()), uuid: owned(domain.uuid()) };
        self
    }

    /// The outcome so far: `plan` was made.
    pub fn of_plan(mut self, plan: &Plan) -> Self {
        self.action = Some(match plan.action() {
            Action::Nothing => "none",
            Action::Insert => "insert",
            Action::Replace => "replace",
            Action::Remove => "remove",
        });
        self.region = Some(plan.device().region.name().to_owned());
        self.address = plan.address().map(|address| address.to_string());
        self.notices = plan.notices().iter().map(notice).collect();
        self
    }

    /// The outcome with the diff from `old` to `new`.
    pub fn with_diff(mut self, old: &str, new: &str) -> Self {
        self.diff = Some(unified(&self.file, old, new));
        self
    }

    /// The outcome of a filter: `text` is the result.
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Some(text);
        self
    }

    /// The outcome of a check.
    pub fn checked(mut self) -> Self {
        self.exit = if self.action == Some("none") { 0 } else { exit::WOULD_CHANGE };
        self
    }

    /// The outcome of a change to the file itself.
    pub fn written(mut self, backup: &std::path::Path) -> Self {
        self.written = true;
        self.backup = Some(backup.display().to_string());
        self
    }

    pub fn unreadable(self, error: &Unreadable) -> Self {
        self.failed(exit::BAD_INPUT, Message::new(error.code(), error.to_string(), error.position()))
    }

    pub fn refused(self, error: &Refused) -> Self {
        self.failed(exit::REFUSED, Message::new(error.reason.code(), error.to_string(), error.at))
    }

    pub fn not_in_place(self, error: &InPlaceError) -> Self {
        let code = if error.is_refusal() { exit::REFUSED } else { exit::IO_FAILED };
        self.failed(code, Message::new(error.code(), error.to_string(), None))
    }

    pub fn io(self, error: &std::io::Error) -> Self {
        self.failed(exit::IO_FAILED, Message::new("io", format!("cannot read it: {error}"), None))
    }

    fn failed(mut self, exit: u8, error: Message) -> Self {
        self.exit = exit;
        self.error = Some(error);
        self
    }

    pub fn exit(&self) -> u8 {
        self.exit
    }

    /// Tells people on standard error what they should know.
    pub fn tell(&self) {
        for notice in &self.notices {
            eprintln!("{}:{} note: {}", printable(&self.file), notice.place().trim_end(), notice.message);
        }
        if let Some(error) = &self.error {
            eprintln!("{}:{} {}", printable(&self.file), error.place().trim_end(), error.message);
        }
    }

    /// What goes to standard output: the text, the diff, or a line that says what became of the file. Nothing
    /// after an error, which is told elsewhere.
    pub fn shown(&self) -> String {
        if self.error.is_some() {
            return String::new();
        }
        self.text.as_ref().or(self.diff.as_ref()).cloned().or_else(|| self.summary()).unwrap_or_default()
    }

    fn summary(&self) -> Option<String> {
        let region = self.region.as_deref()?;
        let at = self.address.as_ref().map_or(String::new(), |address| format!(" at {address}"));
        let done = match (self.action?, self.written) {
            ("insert", true) => format!("{region} added{at}"),
            ("insert", false) => format!("{region} would be added{at}"),
            ("replace", true) => format!("{region} replaced{at}"),
            ("replace", false) => format!("{region} would be replaced{at}"),
            ("remove", true) => format!("{region} removed"),
            ("remove", false) => format!("{region} would be removed"),
            _ => "nothing to change".to_owned(),
        };
        Some(format!("{}: {done}\n", printable(&self.file)))
    }
}

/// A notice of the library's as a message.
pub fn notice(notice: &Notice) -> Message {
    let at = match notice {
        Notice::Live(at) => Some(*at),
        _ => None,
    };
    Message::new(notice.code(), notice.to_string(), at)
}

/// `text`, such as the name of a file, for a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
