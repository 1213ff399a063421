//! What is told of one domain: a line of a table for people, an object for programs.

use ivring_vm_config::libvirt::{
    By, ChangeError, Controllers, Judgement, LedgerError, LibvirtError, Listed, RolledBack, Standing,
    TakenOut, Waiting,
};
use ivring_vm_config::{Action, PciAddress, Plan, Refused};
use serde::Serialize;

use crate::exit;
use crate::outcome::{Message, notice, printable};

/// What is told of one domain.
#[derive(Debug, Serialize)]
pub struct Row {
    domain: String,
    uuid: String,
    uri: String,
    /// `ok`, `missing`, `present`, `changed`, `pending`, `differs`, `refused`, `removed`, `excluded` or `failed`.
    state: &'static str,
    /// What there is or was to do: `none`, `insert`, `replace`, `remove`, `restore`.
    action: &'static str,
    /// Whether it was done.
    done: bool,
    region: Option<String>,
    address: Option<String>,
    /// What libvirt refuses to do with the domain while it has the device.
    loses: Vec<&'static str>,
    /// What has to happen before the domain runs so.
    waiting: Option<&'static str>,
    backup: Option<String>,
    /// How the device was taken from it on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_out: Option<TakenOut>,
    /// What would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    notices: Vec<Message>,
    error: Option<Message>,
    #[serde(skip)]
    reason: String,
    #[serde(skip)]
    exit: u8,
}

impl Row {
    fn new(uri: &str, domain: &Listed, state: &'static str, exit: u8) -> Self {
        Self {
            domain: domain.name.clone(),
            uuid: domain.uuid.clone(),
            uri: uri.to_owned(),
            state,
            action: "none",
            done: false,
            region: None,
            address: None,
            loses: Vec::new(),
            waiting: None,
            backup: None,
            taken_out: None,
            diff: None,
            notices: Vec::new(),
            error: None,
            reason: String::new(),
            exit,
        }
    }

    /// A domain that a pattern leaves out.
    pub fn excluded(uri: &str, domain: &Listed) -> Self {
        Self::new(uri, domain, "excluded", 0)
    }

    /// A domain that is to be without the device.
    pub fn left_alone(uri: &str, domain: &Listed, taken_out: &TakenOut) -> Self {
        let by = match taken_out.by {
            By::Remove => "by ivring-vm-config remove,",
            By::RemoveAll => "by ivring-vm-config remove --all,",
            By::Rollback => "by ivring-vm-config rollback,",
            By::Edit => "by somebody who changed nothing else, noticed",
        };
        let at = &taken_out.at;
        let or_all = if taken_out.by.is_of_one() { "" } else { " or --all" };
        let reason = format!(
            "taken out on purpose {by} {at}: left alone until ivring-vm-config apply {}{or_all}",
            domain.name
        );
        Self { taken_out: Some(taken_out.clone()), reason, ..Self::new(uri, domain, "removed", 0) }
    }

    /// A domain of which nothing can be remembered, and with which nothing was done for that reason.
    pub fn not_noted(mut self, error: &LedgerError) -> Self {
        (self.state, self.action, self.exit) = ("failed", "none", exit::IO_FAILED);
        self.fails(Message::new("state-file", error.to_string(), None))
    }

    /// A domain that has the configuration that was kept.
    pub fn as_saved(uri: &str, domain: &Listed) -> Self {
        Self::new(uri, domain, "ok", 0)
    }

    /// A domain that has another configuration than the one that was kept; `diff` leads back.
    pub fn changed(uri: &str, domain: &Listed, diff: String) -> Self {
        Self { action: RESTORE, diff: Some(diff), ..Self::new(uri, domain, "changed", exit::WOULD_CHANGE) }
    }

    /// A domain that was given back the configuration that was kept.
    pub fn restored(uri: &str, domain: &Listed, rolled_back: &RolledBack) -> Self {
        let row = match rolled_back.waiting {
            Some(waiting) => Self::new(uri, domain, "pending", exit::PENDING).waits(waiting),
            None => Self::new(uri, domain, "ok", 0),
        };
        Self { action: RESTORE, done: true, backup: Some(rolled_back.backup.display().to_string()), ..row }
    }

    /// A domain to which something should have been done.
    pub fn refused(uri: &str, domain: &Listed, error: &ChangeError) -> Self {
        Self::new(uri, domain, "failed", 0).not_changed(error)
    }

    /// A domain as it was judged. `to_do` is the state of one that something is to be done with.
    pub fn judged(uri: &str, domain: &Listed, judgement: &Judgement, to_do: &'static str) -> Self {
        let row = match &judgement.standing {
            Standing::AsWanted => Self::new(uri, domain, "ok", 0),
            Standing::Waiting(waiting) => Self::new(uri, domain, "pending", exit::PENDING).waits(*waiting),
            Standing::ToDo(action) | Standing::Transient(action) => {
                Self { action: name(*action), ..Self::new(uri, domain, to_do, exit::WOULD_CHANGE) }
            }
            Standing::Refused(refused) => Self::new(uri, domain, state(refused), exit::REFUSED)
                .fails(Message::new(refused.reason.code(), refused.to_string(), refused.at)),
            Standing::Unreadable(error) => Self::new(uri, domain, "refused", exit::REFUSED)
                .fails(Message::new(error.code(), error.to_string(), error.position())),
        };
        match &judgement.plan {
            Some(plan) => row.of_plan(plan),
            None => row,
        }
    }

    /// A domain that libvirt said nothing about.
    pub fn unknown(uri: &str, domain: &Listed, error: &LibvirtError) -> Self {
        Self::new(uri, domain, "failed", exit::IO_FAILED).fails(Message::new(
            error.code(),
            error.to_string(),
            None,
        ))
    }

    fn of_plan(mut self, plan: &Plan) -> Self {
        self.region = Some(plan.device().region.name().to_owned());
        self.address = plan.address().map(|address| address.to_string());
        let seen = |code| self.error.as_ref().is_some_and(|error: &Message| error.code == code);
        self.notices =
            plan.notices().iter().filter(|it| it.code() != "live" && !seen(it.code())).map(notice).collect();
        self
    }

    fn waits(mut self, waiting: Waiting) -> Self {
        self.waiting = Some(waiting.code());
        match waiting {
            Waiting::ColdStart => "from its next start on; shut it down first, a reboot is not enough",
            Waiting::SavedState => {
                "its saved state has other devices: start it, shut it down and start it again, or virsh \
                 managedsave-remove"
            }
        }
        .clone_into(&mut self.reason);
        self
    }

    fn fails(mut self, error: Message) -> Self {
        self.error = Some(error);
        self
    }

    /// The row after what was to be done is done.
    pub fn done(mut self, action: Action, backup: Option<&std::path::Path>) -> Self {
        self.action = name(action);
        self.done = action != Action::Nothing;
        self.backup = backup.map(|path| path.display().to_string());
        self
    }

    /// The row of a domain that could not be changed.
    pub fn not_changed(mut self, error: &ChangeError) -> Self {
        (self.state, self.exit) = match error {
            ChangeError::Refused(refused) => (state(refused), exit::REFUSED),
            ChangeError::Unreadable(_) => ("refused", exit::REFUSED),
            error if error.is_refusal() => ("refused", exit::REFUSED),
            _ => ("failed", exit::IO_FAILED),
        };
        let at = match error {
            ChangeError::Refused(refused) => refused.at,
            ChangeError::Unreadable(unreadable) => unreadable.position(),
            _ => None,
        };
        self.action = "none";
        self.address = None;
        self.waiting = None;
        self.reason.clear();
        self.fails(Message::new(error.code(), error.to_string(), at))
    }

    /// The row of a domain that is left for another run.
    pub fn left(mut self, why: &str) -> Self {
        why.clone_into(&mut self.reason);
        self.exit = 0;
        self
    }

    /// The row of a domain whose guest was asked to let go of the device, and has not.
    pub fn held(mut self) -> Self {
        (self.state, self.exit) = ("pending", exit::PENDING);
        self.waiting = Some("guest");
        "the guest has not let go of it: it may be starting up, or its driver may hold it; status tells when it is gone, at \
         the latest after a shutdown"
            .clone_into(&mut self.reason);
        self
    }

    /// The row with what becomes of the PCI controllers that had come with the device.
    pub fn with_controllers(mut self, controllers: Controllers) -> Self {
        let told = match controllers {
            Controllers::Known(0) => return self,
            Controllers::Known(1) => "with the PCI controller that had come with it".to_owned(),
            Controllers::Known(number) => format!("with the {number} PCI controllers that had come with it"),
            Controllers::NoBackup => {
                "PCI controllers that came with it stay: there is no backup from before it, see \
                                      --backup-dir"
                    .to_owned()
            }
            Controllers::InDoubt => {
                "PCI controllers that came with it stay: another changed the domain at the same time, \
                                     and may use them"
                    .to_owned()
            }
        };
        if !self.reason.is_empty() {
            self.reason.push_str("; ");
        }
        self.reason.push_str(&told);
        self
    }

    /// The row with where the device would be, and what the domain could no longer do.
    pub fn previewed(mut self, address: Option<PciAddress>, loses: Vec<&'static str>) -> Self {
        self.address = address.map(|address| address.to_string());
        self.loses = loses;
        self
    }

    /// What would change, for people.
    pub fn diff(&self) -> Option<&str> {
        self.diff.as_deref()
    }

    /// The row of a running domain that could not be given the device at once.
    pub fn not_live(mut self, why: &str) -> Self {
        if self.error.is_none() {
            let reason = if self.reason.is_empty() { "" } else { &format!("{}; ", self.reason) };
            self.reason = format!("{reason}not at once: {why}");
        }
        self
    }

    /// Whether something was done.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What is wrong with the domain, or is to be known of it: its state, and why. `None` if all is well.
    pub fn trouble(&self) -> Option<(&'static str, String)> {
        (self.state != "ok").then(|| (self.state, self.cell(Column::Reason)))
    }

    /// All that is told of it in one line; `several` libvirts are told apart.
    pub fn line(&self, several: bool) -> String {
        let at = if several { format!(" at {}", self.uri) } else { String::new() };
        let done = self.done.then(|| self.cell(Column::Action));
        let address = self.address.clone().filter(|_| self.done).map(|address| format!("at {address}"));
        let state = (self.state != "ok").then(|| self.state.to_owned());
        let what = [done, address, state].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let reason = self.cell(Column::Reason);
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        format!("{}{at}: {what}{why}", self.domain)
    }

    /// Whether what was to be done was not.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    pub fn exit(&self) -> u8 {
        self.exit
    }

    /// The cell of the column `column`, for a terminal.
    pub fn cell(&self, column: Column) -> String {
        let text = match column {
            Column::Domain => self.domain.clone(),
            Column::Uri => self.uri.clone(),
            Column::State => self.state.to_owned(),
            Column::Action => match (self.action, self.done) {
                ("none", _) => "-".to_owned(),
                ("insert", true) => "added".to_owned(),
                ("remove", true) => "removed".to_owned(),
                (action, true) => format!("{action}d"),
                (action, false) => action.to_owned(),
            },
            Column::Address => self.address.clone().unwrap_or_else(|| "-".to_owned()),
            Column::Loses if self.loses.is_empty() => "-".to_owned(),
            Column::Loses => self.loses.join(", "),
            Column::Reason => {
                // Places are in libvirt's XML, which nobody sees here: they are for programs.
                let error = self.error.iter().map(|error| error.message.clone());
                let notices = self.notices.iter().map(|notice| notice.message.clone());
                let reason = (!self.reason.is_empty()).then(|| self.reason.clone());
                error.chain(reason).chain(notices).collect::<Vec<_>>().join("; ")
            }
        };
        printable(&text)
    }
}

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The name of the domain.
    Domain,
    /// The libvirt it belongs to.
    Uri,
    /// Its state.
    State,
    /// What was or is to be done.
    Action,
    /// The device's address.
    Address,
    /// What the domain can no longer do.
    Loses,
    /// Why it is so, and what to do next.
    Reason,
}

impl Column {
    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Domain => "DOMAIN",
            Self::Uri => "URI",
            Self::State => "STATE",
            Self::Action => "ACTION",
            Self::Address => "ADDRESS",
            Self::Loses => "LOSES",
            Self::Reason => "REASON",
        }
    }

    /// The width of its widest cell other than names.
    pub fn width(self) -> usize {
        match self {
            Self::Domain | Self::Uri | Self::Reason => self.heading().len(),
            Self::State => "excluded".len(),
            Self::Action => "replaced".len(),
            Self::Address => "00:1f.0".len(),
            Self::Loses => LOSSES.join(", ").len(),
        }
    }
}

/// The action of a rollback.
const RESTORE: &str = "restore";

/// What libvirt refuses while a domain has a device that is shared with others.
pub const LOSSES: [&str; 4] = ["save", "managedsave", "migration", "memory snapshots"];

/// What the domain of `judgement` loses by the device.
pub fn losses(judgement: &Judgement) -> Vec<&'static str> {
    match &judgement.plan {
        Some(plan) if plan.forbids_saving() => LOSSES.to_vec(),
        _ => Vec::new(),
    }
}

fn name(action: Action) -> &'static str {
    match action {
        Action::Nothing => "none",
        Action::Insert => "insert",
        Action::Replace => "replace",
        Action::Remove => "remove",
    }
}

/// The state of a domain that is refused.
fn state(refused: &Refused) -> &'static str {
    match refused.reason.code() {
        "differs" | "duplicate" | "on-command-line" => "differs",
        _ => "refused",
    }
}
