//! One look at the domains of a libvirt, and what is done about them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_vm_config::libvirt::{
    By, Changes, Documents, Entry, Judgement, Key, LibvirtError, Listed, TakenOut, Wish,
};
use ivring_vm_config::{Domain, fingerprint};

use super::inbox::Heard;
use super::known::{Known, situation};
use super::lost::Lost;
use super::notebook::Notebook;
use super::verdict::{Look, Verdict};
use super::watcher::{Orders, Watcher};
use crate::apply::{TO_DO, told};
use crate::backup_options;
use crate::judged::read;
use crate::remembered::key;
use crate::row::Row;

/// How long it is waited for the word that a domain was reverted to a snapshot, before its device counts as taken out on
/// purpose. libvirt tells it after it is done.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// After how many rescans something is tried again that was in vain.
const RESCANS_UNTIL_AGAIN: u32 = 10;

/// One look at domains.
struct Pass<'a, 'l> {
    orders: &'a Orders<'a>,
    uri: &'a str,
    heard: &'a Heard,
    /// Whether no event will explain what is found.
    is_only: bool,
    notebook: &'a mut Notebook<'l>,
    changes: Changes<'a>,
}

/// A domain that is looked at.
struct Case<'c> {
    domain: &'c Listed,
    judgement: Judgement,
    key: Option<Key>,
    fingerprint: Option<u64>,
    situation: u64,
}

impl Watcher<'_> {
    /// Looks at the domains of which was `heard`, and at those that are new or listed otherwise than before, and gives them
    /// the device as `apply` does. With `is_only` no event will explain what it finds. The exit code is that of the worst.
    pub(super) fn pass(&mut self, heard: &Heard, is_only: bool) -> Result<u8, Lost> {
        let Self { orders, connection, inbox, known, notebook } = self;
        let orders = *orders;
        let listed = connection.list()?;
        known.retain(|uuid, _| listed.iter().any(|domain| domain.uuid == *uuid));
        notebook.open();
        notebook.forget(|key, entry| {
            let is_there = listed.iter().any(|domain| domain.uuid == key.uuid);
            key.uri == connection.uri() && (!is_there || heard.undefined.contains(&entry.domain))
        });
        let chosen: Vec<Listed> =
            listed.into_iter().filter(|domain| is_chosen(orders, domain, known, heard)).collect();
        let mut backups = orders.backups.backups();
        let changes = Changes::new(connection, orders.request, &mut backups);
        let mut pass = Pass { orders, uri: connection.uri(), heard, is_only, notebook, changes };
        let mut worst = Ok(0);
        for (domain, documents) in read(connection, &chosen) {
            if inbox.is_stopped() {
                break;
            }
            let known = known.entry(domain.uuid.clone()).or_insert_with(|| Known::new(domain));
            domain.clone_into(&mut known.listed);
            let row = match documents {
                Ok(documents) => pass.look(domain, &documents, known),
                Err(error) => pass.unread(domain, &error, known),
            };
            match row {
                Ok(None) => {}
                Ok(Some(row)) => {
                    worst = worst.map(|worst: u8| worst.max(row.exit()));
                    known.tell(&row, orders.voice);
                }
                Err(lost) => {
                    worst = Err(lost);
                    break;
                }
            }
        }
        drop(pass);
        backup_options::tell(&backups);
        notebook.close();
        worst
    }
}

fn is_chosen(orders: &Orders<'_>, domain: &Listed, known: &HashMap<String, Known>, heard: &Heard) -> bool {
    let is_other = |known: &Known| known.unread || known.listed != *domain || known.suspected.is_some();
    let is_excluded = orders.exclude.iter().any(|pattern| pattern.matches(&domain.name));
    let is_heard_of = heard.all || heard.names.contains(&domain.name);
    !is_excluded && (is_heard_of || known.get(&domain.uuid).is_none_or(is_other))
}

impl Pass<'_, '_> {
    /// A domain that could not be read: it may have gone just now, so that is told the second time only.
    fn unread(&self, domain: &Listed, error: &LibvirtError, known: &mut Known) -> Result<Option<Row>, Lost> {
        if Lost::is(error) {
            return Err(error.into());
        }
        // Else it would be looked at over and over.
        known.suspected = None;
        let is_new = !std::mem::replace(&mut known.unread, true);
        Ok((self.is_only || !is_new).then(|| Row::unknown(self.uri, domain, error)))
    }

    /// Looks at a domain and does what is to be done; what is to be told of it, if that is known yet.
    fn look(
        &mut self,
        domain: &Listed,
        documents: &Documents,
        known: &mut Known,
    ) -> Result<Option<Row>, Lost> {
        known.unread = false;
        let judgement = Judgement::new(domain, documents, self.orders.request, Wish::Present);
        let key = key(self.uri, domain, &judgement);
        let fingerprint = key.as_ref().and_then(|key| fingerprint_of(documents, key));
        let case = Case { domain, judgement, key, fingerprint, situation: situation(domain, documents) };
        let since = known.suspected.take();
        match self.verdict(&case) {
            Verdict::LeftAlone(taken_out) => Ok(Some(Row::left_alone(self.uri, domain, taken_out))),
            Verdict::TakenOut if !self.is_only && since.is_none_or(|since| since.elapsed() < SETTLE) => {
                known.suspected = since.or_else(|| Some(Instant::now()));
                Ok(None)
            }
            Verdict::TakenOut => {
                let taken_out = TakenOut::now(By::Edit);
                let row = Row::left_alone(self.uri, domain, &taken_out);
                self.note(&case, None, Some(taken_out));
                Ok(Some(row))
            }
            Verdict::Has => {
                if case.judgement.plan.is_some() {
                    self.note(&case, case.fingerprint, None);
                }
                self.settle(&case, known)
            }
            Verdict::Wants => {
                // What it had before is no matter any more, whatever comes of the change.
                self.note(&case, None, None);
                self.settle(&case, known)
            }
        }
    }

    fn verdict(&self, case: &Case<'_>) -> Verdict<'_> {
        let entry = case.key.as_ref().and_then(|key| self.notebook.entry(key)).filter(|_| !self.orders.again);
        let reverted = self.heard.flooded || self.heard.reverted.contains(&case.domain.name);
        let lacks_device = case.judgement.lacks_device();
        Verdict::of(Look { lacks_device, fingerprint: case.fingerprint, reverted }, entry)
    }

    fn note(&mut self, case: &Case<'_>, had: Option<u64>, taken_out: Option<TakenOut>) {
        if let Some(key) = &case.key {
            let is_something = had.is_some() || taken_out.is_some();
            let entry = Entry { domain: case.domain.name.clone(), had, taken_out };
            self.notebook.note(key.clone(), is_something.then_some(entry));
        }
    }

    /// Does what is to be done with a domain, unless that was in vain before.
    fn settle(&mut self, case: &Case<'_>, known: &mut Known) -> Result<Option<Row>, Lost> {
        let row = Row::judged(self.uri, case.domain, &case.judgement, TO_DO);
        if !case.judgement.acts(case.domain, self.orders.live) {
            known.tried = None;
            return Ok(Some(row));
        }
        if known.waits(case.situation, self.orders.rescan * RESCANS_UNTIL_AGAIN) {
            return Ok(None);
        }
        let (row, in_vain) = self.give(case, row)?;
        known.tried = in_vain.then(|| (case.situation, Instant::now()));
        if row.is_done() && case.fingerprint.is_some() {
            self.note(case, case.fingerprint, None);
        }
        Ok(Some(row))
    }

    /// Gives a domain the device, at once if that is wanted and can be, else with its next start. Its row, and whether
    /// something of it was in vain.
    fn give(&mut self, case: &Case<'_>, row: Row) -> Result<(Row, bool), Lost> {
        let Case { domain, judgement, .. } = case;
        let live = self.orders.live;
        let result = self.changes.install(domain, live);
        let error = match &result {
            Ok(_) => return Ok((told(self.uri, domain, row, result), false)),
            Err(error) => error,
        };
        if let Some(lost) = Lost::before(error) {
            return Err(lost);
        }
        if !(live && domain.running && domain.persistent && error.is_refusal()) {
            return Ok((told(self.uri, domain, row, result), true));
        }
        let why = error.to_string();
        if !judgement.acts(domain, false) {
            return Ok((row.not_live(&why), true));
        }
        let result = self.changes.install(domain, false);
        if let Some(lost) = result.as_ref().err().and_then(Lost::before) {
            return Err(lost);
        }
        Ok((told(self.uri, domain, row, result).not_live(&why), true))
    }
}

/// The fingerprint of the configuration in `documents`, beside the device `key`.
fn fingerprint_of(documents: &Documents, key: &Key) -> Option<u64> {
    let domain = Domain::read(documents.config.as_deref()?.as_bytes()).ok()?;
    Some(fingerprint(&domain, &key.region))
}
