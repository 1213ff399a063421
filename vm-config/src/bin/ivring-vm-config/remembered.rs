//! From which domains the device was taken on purpose.

use ivring_vm_config::libvirt::{By, Entries, Entry, Judgement, Key, Ledger, LedgerError, Listed, TakenOut};

use crate::{Failure, exit};

/// What is remembered of domains, and the file it is kept in.
#[derive(Debug)]
pub struct Remembered {
    ledger: Ledger,
    entries: Entries,
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self { code: exit::IO_FAILED, message: error.to_string() }
    }
}

/// The device of `domain` that `judgement` is about; `None` if it was not judged whether it has one.
pub fn key(uri: &str, domain: &Listed, judgement: &Judgement) -> Option<Key> {
    let region = judgement.plan.as_ref()?.device().region.name().to_owned();
    Some(Key { uri: uri.to_owned(), uuid: domain.uuid.clone(), region })
}

impl Remembered {
    /// What is in `ledger`.
    pub fn read(ledger: Ledger) -> Result<Self, LedgerError> {
        let entries = ledger.read()?;
        Ok(Self { ledger, entries })
    }

    /// How the device `key` was taken out on purpose, if it was.
    pub fn taken_out(&self, key: &Key) -> Option<&TakenOut> {
        self.entries.get(key)?.taken_out.as_ref()
    }

    /// The devices `keys` are wanted again, whoever took them out.
    pub fn want(&mut self, keys: &[Key]) -> Result<(), LedgerError> {
        let is_marked = |key: &Key| self.taken_out(key).is_some();
        if keys.iter().any(is_marked) {
            let keys: Vec<&Key> = keys.iter().filter(|key| is_marked(key)).collect();
            self.entries = self.ledger.update(|entries| entries.retain(|key, _| !keys.contains(&key)))?;
        }
        Ok(())
    }

    /// The device `key` is taken from `domain` by `by`. To be noted before it is done: whoever watches the domain would give
    /// it the device again meanwhile. What was remembered before is for [`restore`](Self::restore).
    pub fn take_out(&mut self, key: &Key, domain: &Listed, by: By) -> Result<Option<Entry>, LedgerError> {
        let before = self.entries.get(key).cloned();
        let marked = before.as_ref().and_then(|before| before.taken_out.as_ref());
        if marked.is_some_and(|marked| marked.by.is_of_one() || marked.by == by) {
            return Ok(before);
        }
        let entry = Entry { domain: domain.name.clone(), had: None, taken_out: Some(TakenOut::now(by)) };
        self.entries = self.ledger.update(|entries| drop(entries.insert(key.clone(), entry)))?;
        Ok(before)
    }

    /// It was not taken out after all.
    pub fn restore(&mut self, key: &Key, before: Option<Entry>) -> Result<(), LedgerError> {
        self.entries = self.ledger.update(|entries| {
            match before {
                Some(before) => entries.insert(key.clone(), before),
                None => entries.remove(key),
            };
        })?;
        Ok(())
    }
}
