//! What is known of a domain between two looks at it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use ivring_vm_config::libvirt::{Documents, Listed};

use super::voice::Voice;
use crate::row::Row;

/// What is known of a domain since it was last looked at.
#[derive(Debug)]
pub struct Known {
    /// How it was listed.
    pub listed: Listed,
    /// What was last told of it, if something is wrong.
    pub told: Option<(&'static str, String)>,
    /// What it was like when it was last tried in vain, and when that was.
    pub tried: Option<(u64, Instant)>,
    /// Since when the device seems to have been taken out on purpose.
    pub suspected: Option<Instant>,
    /// Whether it could not be read.
    pub unread: bool,
}

impl Known {
    /// Nothing but how it is listed.
    pub fn new(listed: &Listed) -> Self {
        Self { listed: listed.clone(), told: None, tried: None, suspected: None, unread: false }
    }

    /// Tells `row` by `voice`, unless it says nothing new.
    pub fn tell(&mut self, row: &Row, voice: &Voice) {
        let trouble = row.trouble();
        if row.is_done() || trouble.is_some() && trouble != self.told {
            voice.tell(row);
        }
        self.told = trouble;
    }

    /// Whether something that was in vain when the domain was the same has to wait until `pace` is over.
    pub fn waits(&self, situation: u64, pace: Duration) -> bool {
        self.tried.is_some_and(|(then, at)| then == situation && at.elapsed() < pace)
    }
}

/// A number for all on which it may depend whether a change succeeds, but for the state of the host.
pub fn situation(listed: &Listed, documents: &Documents) -> u64 {
    let mut hasher = DefaultHasher::new();
    // How it runs has numbers in it that change all the time.
    (&documents.config, &listed.name).hash(&mut hasher);
    (listed.running, listed.persistent, listed.managed_save).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_vain_waits_until_it_changes_or_for_a_while() {
        let listed = |running| Listed {
            uuid: "1".to_owned(),
            name: "web1".to_owned(),
            running,
            persistent: true,
            managed_save: false,
        };
        let documents = |config: &str| Documents { config: Some(config.to_owned()), ..Documents::default() };
        let then = situation(&listed(false), &documents("a"));
        let mut known = Known::new(&listed(false));
        let long = Duration::from_secs(600);
        assert!(!known.waits(then, long));
        known.tried = Some((then, Instant::now()));
        assert!(known.waits(then, long) && !known.waits(then, Duration::ZERO));
        assert!(!known.waits(situation(&listed(true), &documents("a")), long));
        assert!(!known.waits(situation(&listed(false), &documents("b")), long));
    }
}
