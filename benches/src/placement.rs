//! How far apart the two cores are now. A hypervisor may move them within seconds, and every figure changes with it.

use serde::{Deserialize, Serialize};

/// A raw line's round trip, in nanoseconds, from which on the cores do not share a last cache. Measured on AMD Zen 5: 59 to 92
/// within a complex, 406 to 555 between two; on Intel Xeons about 115 within a socket.
const FAR: f64 = 250.0;

/// Where the two cores of a measurement were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// They share a cache.
    Near,
    /// They do not.
    Far,
    /// They were near before the measurement and far after it, or the other way.
    Moved,
}

impl Placement {
    /// What probes before and after a measurement say; nothing without probes.
    pub(crate) fn of(probes_ns: &[f64]) -> Option<Self> {
        let mut kinds = probes_ns.iter().map(|probe| if *probe < FAR { Self::Near } else { Self::Far });
        let first = kinds.next()?;
        Some(if kinds.all(|kind| kind == first) { first } else { Self::Moved })
    }

    /// What tables call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
            Self::Moved => "moved meanwhile",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_probes_must_agree() {
        assert_eq!(Placement::of(&[]), None);
        assert_eq!(Placement::of(&[59.0, 92.0]), Some(Placement::Near));
        assert_eq!(Placement::of(&[406.0, 555.0]), Some(Placement::Far));
        assert_eq!(Placement::of(&[59.0, 406.0]), Some(Placement::Moved));
    }
}
