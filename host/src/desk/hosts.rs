//! The hosts that a desk works on.

use crate::Host;
use crate::listing::NotServed;

/// Names a region for as long as its owner lives; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RegionId(pub(crate) u64);

/// One host or many. The desk never keeps a host: each call that works on hosts is given them.
pub(crate) trait Hosts {
    /// All of them.
    fn all(&self) -> impl Iterator<Item = (RegionId, &Host)>;

    /// The regions that there should be a host of, and is none.
    fn not_served(&self) -> Vec<NotServed>;

    /// The host of that region, if it is still there.
    fn host(&mut self, region: RegionId) -> Option<&mut Host>;
}
