//! One libvirt that is watched, for as long as nobody stops it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glob::Pattern;
use ivring_vm_config::Request;
use ivring_vm_config::libvirt::{Connection, Events, Ledger};

use super::inbox::{Heard, Inbox, Woken};
use super::known::Known;
use super::lost::Lost;
use super::notebook::Notebook;
use super::pass::SETTLE;
use super::voice::{Voice, say};
use crate::backup_options::BackupOptions;
use crate::exit;

/// How long it is waited for libvirt before it is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection may take, before it is looked without events.
const CONNECTING: Duration = Duration::from_secs(30);

/// What is to be done with the domains of every libvirt that is watched.
#[derive(Debug)]
pub struct Orders<'a> {
    /// The device that each is to have.
    pub request: &'a Request,
    /// The names of those that are left out.
    pub exclude: &'a [Pattern],
    /// Whether running ones get it at once.
    pub live: bool,
    /// Whether those get it, too, from which it was taken on purpose.
    pub again: bool,
    /// How often all are looked at.
    pub rescan: Duration,
    /// Where configurations from before are kept.
    pub backups: &'a BackupOptions,
    /// What is remembered from one run to the next.
    pub ledger: &'a Ledger,
    /// What tells what is done.
    pub voice: &'a Voice,
}

/// One libvirt that is watched.
#[derive(Debug)]
pub struct Watcher<'a> {
    pub(super) orders: &'a Orders<'a>,
    pub(super) connection: Connection,
    pub(super) inbox: Arc<Inbox>,
    /// What is known of its domains, by UUID: as many as it lists.
    pub(super) known: HashMap<String, Known>,
    /// What is remembered of them for longer.
    pub(super) notebook: Notebook<'a>,
}

impl<'a> Watcher<'a> {
    /// Watches the libvirt at `connection` by `orders`.
    pub fn new(connection: Connection, orders: &'a Orders<'a>) -> Self {
        let notebook = Notebook::new(orders.ledger);
        Self { orders, connection, inbox: Arc::default(), known: HashMap::new(), notebook }
    }

    /// By which it is stopped.
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Looks at all domains once; the exit code is that of the worst.
    pub fn once(&mut self) -> u8 {
        self.pass(&Heard::everything(), true).unwrap_or_else(|lost| {
            say(&lost.message);
            exit::IO_FAILED
        })
    }

    /// Watches until it is stopped; the exit code.
    pub fn watch(&mut self) -> u8 {
        let mut pause = FIRST_PAUSE;
        let mut is_lost = false;
        while !self.inbox.is_stopped() {
            let lost = match self.while_connected(&mut pause, &mut is_lost) {
                Ok(()) => return 0,
                Err(lost) => lost,
            };
            if lost.is_for_good {
                say(&lost.message);
                return exit::IO_FAILED;
            }
            if !is_lost {
                is_lost = true;
                say(&format!("{}: {}; waiting for it", self.connection.uri(), lost.message));
            }
            if self.inbox.pause(pause) {
                return 0;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        0
    }

    /// Watches until it is stopped, or the connection is lost. Once there is one, `pause` is as at first, and that it was
    /// `lost` is over.
    fn while_connected(&mut self, pause: &mut Duration, is_lost: &mut bool) -> Result<(), Lost> {
        self.inbox.clear();
        // What was in vain before may succeed now.
        self.known.values_mut().for_each(|known| known.tried = None);
        let inbox = Arc::clone(&self.inbox);
        // It ends with this function, whatever the reason.
        let _events = Events::listen(&self.connection, move |news| inbox.tell(news))?;
        // Not to look before libvirt tells of what happens after the look.
        if let Some(error) = self.inbox.wait_for_connection(CONNECTING) {
            return Err(error.into());
        }
        self.pass(&Heard::everything(), false)?;
        let domains = self.known.len();
        let back = if std::mem::take(is_lost) { "it is back, " } else { "" };
        say(&format!("{}: {back}watching {domains} domains", self.connection.uri()));
        *pause = FIRST_PAUSE;
        let mut rescan = Instant::now() + self.orders.rescan;
        loop {
            let suspected = self.known.values().filter_map(|known| known.suspected).min();
            let deadline = suspected.map_or(rescan, |since| rescan.min(since + SETTLE));
            let heard = match self.inbox.wait(deadline) {
                Woken::Stopped => return Ok(()),
                Woken::Lost(error) => return Err(error.into()),
                Woken::Heard(heard) => heard,
                Woken::Time if Instant::now() < rescan => Heard::default(),
                Woken::Time => Heard::everything(),
            };
            self.pass(&heard, false)?;
            if heard.all {
                rescan = Instant::now() + self.orders.rescan;
            }
        }
    }
}
