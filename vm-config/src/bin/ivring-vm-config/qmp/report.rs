//! What is told of one machine: steps and a line for people, an object for programs.

use std::path::Path;

use ivring_vm_config::Shmem;
use ivring_vm_config::qmp::{Attached, InGuest, Monitor, Place, QmpError, Survey};
use serde::Serialize;

use crate::outcome::{Message, printable};
use crate::{Failure, exit, print};

/// What is told of one machine.
#[derive(Debug, Serialize)]
pub struct Report {
    socket: String,
    qemu: Option<String>,
    machine: Option<String>,
    region: String,
    /// `ok`, `missing`, `pending`, `present`, `differs`, `refused` or `failed`.
    state: &'static str,
    /// What there is or was to do: `none`, `insert` or `remove`.
    action: &'static str,
    /// Whether it was done.
    done: bool,
    bus: Option<String>,
    slot: Option<u8>,
    address: Option<String>,
    size: Option<u64>,
    share: Option<bool>,
    path: Option<String>,
    /// `mapped`, `no-room` or `unused`: what the guest has made of it.
    guest: Option<&'static str>,
    steps: Vec<String>,
    error: Option<Message>,
    #[serde(skip)]
    said: String,
    #[serde(skip)]
    exit: u8,
    #[serde(skip)]
    json: bool,
}

impl Report {
    pub fn new(socket: &Path, region: &Shmem, json: bool) -> Self {
        Self {
            socket: socket.display().to_string(),
            qemu: None,
            machine: None,
            region: region.name().to_owned(),
            state: "failed",
            action: "none",
            done: false,
            bus: None,
            slot: None,
            address: None,
            size: None,
            share: None,
            path: None,
            guest: None,
            steps: Vec::new(),
            error: None,
            said: String::new(),
            exit: 0,
            json,
        }
    }

    /// Which QEMU and machine it is.
    pub fn of_machine(&mut self, monitor: &Monitor, survey: &Survey) {
        self.qemu = Some(monitor.version().to_owned());
        self.machine = Some(survey.machine.clone());
    }

    /// Tells of a step that was done.
    pub fn step(&mut self, step: String) {
        if !self.json {
            eprintln!("{}", printable(&step));
        }
        self.steps.push(step);
    }

    /// The machine has the device, since now or before.
    pub fn attached(&mut self, attached: &Attached, now: bool) {
        let Attached { place, seen, backend } = attached;
        self.at(place);
        let address = format!("{:02x}:{:02x}.0", seen.bus, seen.slot);
        let so_far = if now { "attached" } else { "is there" };
        let (guest, exit) = match seen.in_guest {
            InGuest::At(at) => (format!("the guest has it at {at:#x}"), 0),
            InGuest::Unused => {
                ("the guest does not use it yet; ivring-agent in there joins by itself".to_owned(), 0)
            }
            InGuest::NoRoom => (
                format!(
                    "the guest found no room for it behind {}: ivring-agent in there makes room by itself; without \
                     it, take a --size of at most 2M",
                    place.bus
                ),
                exit::PENDING,
            ),
        };
        self.said = format!(
            "{}: {so_far} on {}, slot {:#x} ({address}), {} bytes, shared; {guest}",
            self.region, place.bus, place.slot, backend.size
        );
        (self.address, self.size, self.share) = (Some(address), Some(backend.size), Some(backend.share));
        self.path = Some(backend.path.clone());
        self.guest = Some(seen.in_guest.code());
        self.state = if exit == 0 { "ok" } else { "pending" };
        self.action = if now { "insert" } else { "none" };
        (self.done, self.exit) = (now, exit);
    }

    pub fn would_attach(&mut self, place: &Place) {
        self.at(place);
        self.said = format!("{}: would be attached on {}, slot {:#x}", self.region, place.bus, place.slot);
        (self.state, self.action, self.exit) = ("missing", "insert", exit::WOULD_CHANGE);
    }

    pub fn would_detach(&mut self) {
        self.said = format!("{}: would be detached", self.region);
        (self.state, self.action, self.exit) = ("present", "remove", exit::WOULD_CHANGE);
    }

    pub fn missing(&mut self) {
        self.said = format!("{}: not there; see qmp attach", self.region);
        (self.state, self.exit) = ("missing", exit::NEGATIVE);
    }

    pub fn absent(&mut self) {
        self.said = format!("{}: not there, nothing to do", self.region);
        self.state = "ok";
    }

    pub fn detached(&mut self) {
        self.said = format!("{}: detached", self.region);
        (self.state, self.action, self.done) = ("ok", "remove", true);
    }

    /// The guest holds on to it.
    pub fn held(&mut self, device: &str, why: &str) {
        let message = format!(
            "the guest has not let go of {device}: {why}. It was asked; run qmp detach again when it has booted or goes \
             on, or end the machine"
        );
        self.said = format!("{}: {message}", self.region);
        self.error = Some(Message::new("held", message, None));
        (self.state, self.action, self.exit) = ("pending", "remove", exit::PENDING);
    }

    fn at(&mut self, place: &Place) {
        (self.bus, self.slot) = (Some(place.bus.clone()), Some(place.slot));
    }

    /// Prints it; the exit code.
    pub fn end(mut self, result: Result<(), QmpError>) -> Result<u8, Failure> {
        if let Err(error) = result {
            let Failure { code, message } = failure(&error);
            if !self.json {
                return Err(Failure { code, message: format!("{}: {message}", printable(&self.socket)) });
            }
            self.exit = code;
            self.state = match (&error, code) {
                (QmpError::Differs { .. }, _) => "differs",
                (_, exit::REFUSED) => "refused",
                _ => "failed",
            };
            self.error = Some(Message::new(error.code(), message, None));
        }
        if self.json {
            let text = serde_json::to_string_pretty(&self)
                .map_err(|error| Failure { code: exit::IO_FAILED, message: error.to_string() })?;
            print(&(text + "\n"))?;
        } else {
            print(&(printable(&self.said) + "\n"))?;
        }
        Ok(self.exit)
    }
}

/// The error as a command ends with it.
pub fn failure(error: &QmpError) -> Failure {
    let code = if error.is_refusal() { exit::REFUSED } else { exit::IO_FAILED };
    Failure { code, message: error.to_string() }
}
