//! Files that are replaced together, and what became of those between them.

use std::path::Path;

use ivring_vm_config::{InPlace, InPlaceError, Replacements};

use crate::outcome::Outcome;

/// Files that are replaced together, and what became of those between them, in the order in which they were given.
#[derive(Default)]
pub struct Together {
    replacements: Replacements,
    outcomes: Vec<(Outcome, Written)>,
}

enum Written {
    Not,
    /// It is the next of the replacements.
    Soon,
}

impl Together {
    /// Opens `file`, unless it waits for its replacement.
    pub fn open(&self, file: &str) -> Option<Result<InPlace, InPlaceError>> {
        let opened = InPlace::open(Path::new(file));
        let waits = opened.as_ref().is_ok_and(|opened| self.replacements.has(opened));
        (!waits).then_some(opened)
    }

    /// Nothing is written for this outcome.
    pub fn keep(&mut self, outcome: Outcome) {
        self.outcomes.push((outcome, Written::Not));
    }

    /// `file` is to be replaced by `text`.
    pub fn replace(&mut self, file: InPlace, text: &str, outcome: Outcome) {
        match self.replacements.prepare(file, text) {
            Ok(()) => self.outcomes.push((outcome, Written::Soon)),
            Err(error) => self.keep(outcome.not_in_place(&error)),
        }
    }

    /// Whether it is time to [`settle`](Self::settle).
    pub fn is_full(&self) -> bool {
        self.replacements.is_full() || self.outcomes.len() >= Replacements::MOST
    }

    /// Replaces the files, and tells what became of all.
    pub fn settle(&mut self) -> impl Iterator<Item = Outcome> {
        let mut results = self.replacements.carry_out().into_iter();
        std::mem::take(&mut self.outcomes).into_iter().map(move |(outcome, written)| match written {
            Written::Not => outcome,
            Written::Soon => match results.next() {
                Some(Ok(backup)) => outcome.written(&backup),
                Some(Err(error)) => outcome.not_in_place(&error),
                None => outcome,
            },
        })
    }
}
