//! How a domain stands to what is wanted of it.

use super::{Documents, Listed};
use crate::{Action, Domain, Plan, Refused, Request, Unreadable};

/// What is wanted of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That the domain has it.
    Present,
    /// That the domain does not have it.
    Absent,
}

impl Wish {
    /// What fulfils the wish in `domain`.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn plan(self, domain: &Domain<'_>, request: &Request) -> Result<Plan, Refused> {
        match self {
            Self::Present => Plan::install(domain, request),
            Self::Absent => Plan::remove(domain, request),
        }
    }
}

/// What has to happen before a domain runs as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It must be shut down and started; a reboot is not enough.
    ColdStart,
    /// It must be started from its saved state, shut down and started once more.
    SavedState,
}

impl Waiting {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ColdStart => "cold-start",
            Self::SavedState => "saved-state",
        }
    }
}

/// How a domain stands.
#[derive(Debug)]
pub enum Standing {
    /// It is as wanted.
    AsWanted,
    /// It is configured as wanted, and what runs is not or will not be.
    Waiting(Waiting),
    /// There is something to do.
    ToDo(Action),
    /// It runs and has no configuration, so nothing can be done but to the running domain.
    Transient(Action),
    /// It cannot be as wanted.
    Refused(Refused),
    /// Its XML is not understood.
    Unreadable(Unreadable),
}

/// A domain's documents, read and compared with what is wanted.
#[derive(Debug)]
pub struct Judgement {
    /// How it stands.
    pub standing: Standing,
    /// What there is to do with its configuration, or with how it runs if it has none.
    pub plan: Option<Plan>,
    /// What there is to do with how it runs, if it does.
    pub live: Option<Plan>,
}

impl Judgement {
    /// Judges the domain `listed`, whose documents are `documents`, by `wish`.
    #[must_use]
    pub fn new(listed: &Listed, documents: &Documents, request: &Request, wish: Wish) -> Self {
        let plan = |text: &str| {
            let domain = Domain::read(text.as_bytes()).map_err(Standing::Unreadable)?;
            wish.plan(&domain, request).map_err(Standing::Refused)
        };
        let live = documents.live.as_deref().map(plan);
        let Some(config) = documents.config.as_deref() else {
            return match live {
                Some(Ok(live)) => {
                    let standing = match live.action() {
                        Action::Nothing => Standing::AsWanted,
                        action => Standing::Transient(action),
                    };
                    Self { standing, plan: Some(live.clone()), live: Some(live) }
                }
                Some(Err(standing)) => Self { standing, plan: None, live: None },
                // It ended since it was listed.
                None => Self { standing: Standing::AsWanted, plan: None, live: None },
            };
        };
        match plan(config) {
            Err(standing) => Self { standing, plan: None, live: live.and_then(Result::ok) },
            Ok(config) => {
                let as_wanted = |plan: &Result<Plan, Standing>| {
                    plan.as_ref().is_ok_and(|plan| plan.action() == Action::Nothing)
                };
                let saved = documents.saved.as_deref().map(plan);
                let standing = if config.action() != Action::Nothing {
                    Standing::ToDo(config.action())
                } else if live.as_ref().is_some_and(|live| !as_wanted(live)) {
                    Standing::Waiting(Waiting::ColdStart)
                } else if listed.managed_save && !saved.as_ref().is_some_and(as_wanted) {
                    Standing::Waiting(Waiting::SavedState)
                } else {
                    Standing::AsWanted
                };
                Self { standing, plan: Some(config), live: live.and_then(Result::ok) }
            }
        }
    }
}

impl Judgement {
    /// Whether the device is to be put in where there is none.
    #[must_use]
    pub fn lacks_device(&self) -> bool {
        matches!(self.standing, Standing::ToDo(Action::Insert) | Standing::Transient(Action::Insert))
    }

    /// Whether something is to be done with `domain`, which was judged so, as far as is known before it is tried: `live` to
    /// what runs, too.
    #[must_use]
    pub fn acts(&self, domain: &Listed, live: bool) -> bool {
        match self.standing {
            Standing::ToDo(_) | Standing::Transient(_) => true,
            Standing::Waiting(_) => {
                let differs = |live: &Plan| live.action() != Action::Nothing;
                live && domain.running && self.live.as_ref().is_none_or(differs)
            }
            Standing::AsWanted | Standing::Refused(_) | Standing::Unreadable(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shmem;

    fn xml(devices: &str) -> String {
        format!(
            "<domain type='kvm'><name>a</name><os><type machine='pc'>hvm</type></os><devices>{devices}</devices></domain>"
        )
    }

    fn judge(config: Option<&str>, live: Option<&str>, saved: Option<Option<&str>>, wish: Wish) -> Standing {
        let listed = Listed {
            uuid: "u".to_owned(),
            name: "a".to_owned(),
            running: live.is_some(),
            persistent: config.is_some(),
            managed_save: saved.is_some(),
        };
        let documents =
            Documents { config: config.map(xml), live: live.map(xml), saved: saved.flatten().map(xml) };
        let request = Request::shared(Shmem::new("fg_i3", "8M".parse().unwrap()).unwrap());
        Judgement::new(&listed, &documents, &request, wish).standing
    }

    const DEVICE: &str = "<shmem name='fg_i3'><model type='ivshmem-plain'/><size unit='M'>8</size></shmem>";

    #[test]
    fn a_domain_is_as_wanted_when_all_its_documents_are() {
        use Wish::{Absent, Present};
        for (config, live, saved, wish, expected) in [
            (Some(DEVICE), None, None, Present, "AsWanted"),
            (Some(DEVICE), Some(DEVICE), None, Present, "AsWanted"),
            (Some(DEVICE), Some(""), None, Present, "Waiting(ColdStart)"),
            (Some(DEVICE), None, Some(Some("")), Present, "Waiting(SavedState)"),
            (Some(DEVICE), None, Some(None), Present, "Waiting(SavedState)"),
            (Some(DEVICE), None, Some(Some(DEVICE)), Present, "AsWanted"),
            (Some(""), Some(DEVICE), None, Present, "ToDo(Insert)"),
            (None, Some(""), None, Present, "Transient(Insert)"),
            (None, Some(DEVICE), None, Present, "AsWanted"),
            (Some(DEVICE), None, None, Absent, "ToDo(Remove)"),
            (Some(""), Some(DEVICE), None, Absent, "Waiting(ColdStart)"),
            (Some(""), None, Some(Some("")), Absent, "AsWanted"),
        ] {
            let standing = judge(config, live, saved, wish);
            assert_eq!(format!("{standing:?}"), expected, "{config:?} {live:?} {saved:?} {wish:?}");
        }
        assert!(matches!(judge(Some("<shmem name='fg_i3'/>"), None, None, Present), Standing::Refused(_)));
        assert!(matches!(judge(Some("<"), None, None, Present), Standing::Unreadable(_)));
    }
}
