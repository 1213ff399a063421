//! Whether a domain lacks the device on purpose.

use ivring_vm_config::libvirt::{Entry, TakenOut};

/// What is to be thought of a domain.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It has a device, as it should or not; what is to be done with it is no question of purpose.
    Has,
    /// It lacks the device, and should have it.
    Wants,
    /// The device was taken out on purpose, as is known.
    LeftAlone(&'a TakenOut),
    /// The device was taken out and nothing else was changed since it was last seen.
    TakenOut,
}

/// What a domain looks like.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether it lacks the device.
    pub lacks_device: bool,
    /// The fingerprint of its configuration, if it has one.
    pub fingerprint: Option<u64>,
    /// Whether it was reverted to a snapshot since it was last seen, or that cannot be known.
    pub reverted: bool,
}

impl<'a> Verdict<'a> {
    /// What is to be thought of a domain that looks like `look`, and of which `entry` is remembered.
    pub fn of(look: Look, entry: Option<&'a Entry>) -> Self {
        if !look.lacks_device {
            return Self::Has;
        }
        if let Some(taken_out) = entry.and_then(|entry| entry.taken_out.as_ref()) {
            return Self::LeftAlone(taken_out);
        }
        let had = entry.and_then(|entry| entry.had).filter(|_| !look.reverted);
        if had.is_some() && had == look.fingerprint { Self::TakenOut } else { Self::Wants }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ivring_vm_config::libvirt::By;

    #[test]
    fn what_was_on_purpose_is_known_by_what_it_left() {
        let look = Look { lacks_device: true, fingerprint: Some(1), reverted: false };
        let had = |had| Some(Entry { had, ..Entry::default() });
        let marked = Entry { taken_out: Some(TakenOut::now(By::Remove)), ..Entry::default() };
        for (look, entry, verdict) in [
            (look, None, Verdict::Wants),
            (look, had(Some(1)), Verdict::TakenOut),
            (look, had(Some(2)), Verdict::Wants),
            (look, had(None), Verdict::Wants),
            (Look { reverted: true, ..look }, had(Some(1)), Verdict::Wants),
            (Look { fingerprint: None, ..look }, had(None), Verdict::Wants),
            (Look { lacks_device: false, ..look }, had(Some(1)), Verdict::Has),
            (Look { lacks_device: false, ..look }, Some(marked.clone()), Verdict::Has),
        ] {
            assert_eq!(Verdict::of(look, entry.as_ref()), verdict, "{look:?} {entry:?}");
        }
        let reverted = Look { reverted: true, ..look };
        assert!(matches!(Verdict::of(reverted, Some(&marked)), Verdict::LeftAlone(_)));
    }
}
