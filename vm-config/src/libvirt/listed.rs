//! The domains of a libvirt, and which of them are meant.

use glob::Pattern;
use thiserror::Error;

/// A domain as libvirt lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its UUID, by which it is spoken of.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Whether it runs, or is paused.
    pub running: bool,
    /// Whether it has a configuration that outlives its run.
    pub persistent: bool,
    /// Whether its next start restores a saved state.
    pub managed_save: bool,
}

/// Which domains are meant.
#[derive(Debug, Clone)]
pub struct Selection {
    /// By name or UUID; `None`: all of them.
    named: Option<Vec<String>>,
    excluded: Vec<Pattern>,
}

/// Why a selection means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// No domain has the name or UUID.
    #[error("there is no domain {0:?} at {1}: see virsh list --all")]
    Unknown(String, String),
}

impl Selection {
    /// All domains whose names match none of `excluded`.
    #[must_use]
    pub fn all(excluded: Vec<Pattern>) -> Self {
        Self { named: None, excluded }
    }

    /// The domains with the names or UUIDs `named`, without those whose names match one of `excluded`.
    #[must_use]
    pub fn named(named: Vec<String>, excluded: Vec<Pattern>) -> Self {
        Self { named: Some(named), excluded }
    }

    /// Whether `domain` is left out by a pattern.
    #[must_use]
    pub fn excludes(&self, domain: &Listed) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(&domain.name))
    }

    /// The domains that are meant, excluded ones among them, in the order of `listed`.
    #[must_use]
    pub fn of(&self, listed: Vec<Listed>) -> Vec<Listed> {
        match &self.named {
            None => listed,
            Some(named) => {
                listed.into_iter().filter(|domain| named.iter().any(|name| is(domain, name))).collect()
            }
        }
    }

    /// What was named and is nowhere in `listed`, which came from all the places `places`.
    #[must_use]
    pub fn unknown(&self, listed: &[Listed], places: &str) -> Vec<SelectionError> {
        let named = self.named.iter().flatten();
        named
            .filter(|name| !listed.iter().any(|domain| is(domain, name)))
            .map(|name| SelectionError::Unknown(name.clone(), places.to_owned()))
            .collect()
    }
}

fn is(domain: &Listed, name: &str) -> bool {
    domain.name == name || domain.uuid.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, uuid: &str) -> Listed {
        Listed {
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            running: false,
            persistent: true,
            managed_save: false,
        }
    }

    #[test]
    fn domains_are_meant_by_name_or_uuid_and_left_out_by_pattern() {
        let domains = vec![listed("web1", "aa-1"), listed("3", "aa-2"), listed("web2", "aa-3")];
        let names = |selection: &Selection| -> Vec<String> {
            selection.of(domains.clone()).into_iter().map(|domain| domain.name).collect()
        };
        let some = Selection::named(vec!["3".to_owned(), "AA-1".to_owned(), "nosuch".to_owned()], vec![]);
        assert_eq!(names(&some), ["web1", "3"]);
        assert_eq!(
            some.unknown(&domains, "test"),
            [SelectionError::Unknown("nosuch".to_owned(), "test".to_owned())]
        );
        let all = Selection::all(vec![Pattern::new("web*").unwrap()]);
        assert_eq!(names(&all).len(), 3);
        assert!(all.excludes(&domains[0]) && !all.excludes(&domains[1]));
    }
}
