//! The targets of the fuzzer, as a command line names them.

use std::fmt;

use clap::ValueEnum;

/// One of the targets of `ivring-fuzz`, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FuzzTarget {
    /// Producer and consumer of a ring, their recovery, the walk
    Ring,
    /// Join, heartbeat, restart and good-bye, of host and guests
    Session,
    /// Messages, fragments and requests between two programs
    Link,
    /// Frames, headers and clients of the control socket
    Control,
    /// The first page of a region, and what a guest makes of it
    Superblock,
    /// The XML of libvirt's domains
    DomainXml,
    /// Every one of these
    All,
}

impl FuzzTarget {
    /// The targets that are meant, each once.
    pub(crate) fn each(named: &[Self]) -> Vec<Self> {
        let meant =
            |target: &Self| *target != Self::All && (named.contains(target) || named.contains(&Self::All));
        Self::value_variants().iter().copied().filter(meant).collect()
    }

    /// Its name on a command line and in `ivring-fuzz`.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl fmt::Display for FuzzTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all_and_one_is_one() {
        use FuzzTarget::{All, DomainXml, Ring};
        assert_eq!(FuzzTarget::each(&[DomainXml, Ring, Ring]), [Ring, DomainXml]);
        assert_eq!(FuzzTarget::each(&[Ring, All]).len(), FuzzTarget::value_variants().len() - 1);
        assert_eq!(DomainXml.to_string(), "domain-xml");
    }
}
