//! What is remembered of domains, between the beginning and the end of a look at them.

use std::collections::BTreeMap;

use ivring_vm_config::libvirt::{Entries, Entry, Key, Ledger, LedgerError};

use super::voice::say;

/// What is remembered, and what is to be. It is read at the beginning of a look and written at its end, and only what
/// others have not changed meanwhile.
#[derive(Debug)]
pub struct Notebook<'a> {
    ledger: &'a Ledger,
    entries: Entries,
    /// `None`: nothing any more.
    notes: BTreeMap<Key, Option<Entry>>,
    /// What was last said of the ledger.
    complaint: Option<String>,
}

impl<'a> Notebook<'a> {
    /// Nothing is read yet.
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, entries: Entries::new(), notes: BTreeMap::new(), complaint: None }
    }

    /// Reads what is remembered. If that fails, it is what it was.
    pub fn open(&mut self) {
        let read = self.ledger.read();
        if let Some(entries) = self.or_complain(read) {
            self.entries = entries;
        }
    }

    /// What is remembered of the device `key`.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.notes.get(key).map_or_else(|| self.entries.get(key), Option::as_ref)
    }

    /// Notes what is to be remembered of the device `key` from now on.
    pub fn note(&mut self, key: Key, entry: Option<Entry>) {
        if self.entries.get(&key) == entry.as_ref() {
            self.notes.remove(&key);
        } else {
            self.notes.insert(key, entry);
        }
    }

    /// Forgets every device of which `is_gone` says so, at once.
    pub fn forget(&mut self, is_gone: impl Fn(&Key, &Entry) -> bool) {
        let gone: Vec<Key> = self
            .entries
            .iter()
            .filter(|(key, entry)| is_gone(key, entry))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.notes.insert(key, None);
        }
    }

    /// Writes what was noted. If that fails, it is noted still.
    pub fn close(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        let (notes, before) = (&self.notes, &self.entries);
        let written = self.ledger.update(|entries| {
            for (key, note) in notes {
                // By somebody else meanwhile, who knows better: remove, or apply.
                if entries.get(key) != before.get(key) {
                    continue;
                }
                match note {
                    Some(note) => entries.insert(key.clone(), note.clone()),
                    None => entries.remove(key),
                };
            }
        });
        if let Some(entries) = self.or_complain(written) {
            self.entries = entries;
            self.notes.clear();
        }
    }

    /// What succeeded. What did not is said, once.
    fn or_complain(&mut self, result: Result<Entries, LedgerError>) -> Option<Entries> {
        match result {
            Ok(entries) => {
                self.complaint = None;
                Some(entries)
            }
            Err(error) => {
                let complaint = Some(error.to_string());
                if self.complaint != complaint {
                    say(&error.to_string());
                    self.complaint = complaint;
                }
                None
            }
        }
    }
}
