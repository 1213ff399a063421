//! Who may fill a ring how far, so that control traffic waits behind a quarter of it at most.

use super::lane::Limits;

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Keeps the session going: may take the last byte of free space.
    Control,
    /// An ordinary message: leaves an eighth of the ring free, unless it is so large that it would then never fit.
    Message,
    /// A piece of something larger: leaves an eighth of the ring free, and all pieces together hold at most a quarter.
    Bulk,
}

impl Class {
    /// Free space that a record of this class and of `span` bytes must leave.
    pub(super) fn reserve(self, span: u64, limits: &Limits) -> u64 {
        match self {
            Self::Control => 0,
            // The padding before a record is shorter than the record, so twice its span is what it can need at most.
            Self::Message if span > (limits.capacity - limits.eighth) / 2 => 0,
            Self::Message | Self::Bulk => limits.eighth,
        }
    }
}

/// How many bytes of bulk records the consumer has not released yet: never too few, in constant time and space.
///
/// The records are counted in two groups, each with the position of its end. A group is forgotten when the head has passed
/// its end, and the second takes its place. Counting a group to its end errs on the safe side.
#[derive(Debug, Default)]
pub(super) struct BulkAccount {
    older: Group,
    newer: Group,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    bytes: u64,
    end: u64,
}

impl BulkAccount {
    /// Counts `bytes` that end at `end` as bulk, whatever they are.
    pub(super) fn everything(bytes: u64, end: u64) -> Self {
        Self { older: Group { bytes, end }, newer: Group::default() }
    }

    /// Bytes that count as not released.
    pub(super) fn held(&self) -> u64 {
        self.older.bytes + self.newer.bytes
    }

    /// Counts a record of `bytes` with its padding that ends at `end`. The first group takes up to `half` of the quota.
    pub(super) fn add(&mut self, bytes: u64, end: u64, half: u64) {
        let into_older = self.newer.bytes == 0 && self.older.bytes + bytes <= half || self.older.bytes == 0;
        let group = if into_older { &mut self.older } else { &mut self.newer };
        group.bytes += bytes;
        group.end = end;
    }

    /// Forgets what lies before `head`.
    pub(super) fn released(&mut self, head: u64) {
        for _ in 0..2 {
            if self.older.bytes > 0 && head.wrapping_sub(self.older.end) <= u64::MAX / 2 {
                self.older = core::mem::take(&mut self.newer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_may_use_what_control_keeps() {
        let limits = Limits::new(4096);
        assert_eq!(Class::Control.reserve(8, &limits), 0);
        assert_eq!(Class::Bulk.reserve(512, &limits), 512);
        assert_eq!(Class::Message.reserve(1792, &limits), 512);
        assert_eq!(Class::Message.reserve(1800, &limits), 0);
    }

    #[test]
    fn half_of_the_quota_comes_back_when_half_is_released() {
        let mut account = BulkAccount::default();
        for end in [100, 200, 300, 400] {
            account.add(100, end, 200);
        }
        assert_eq!(account.held(), 400);
        account.released(199);
        assert_eq!(account.held(), 400);
        account.released(200);
        assert_eq!(account.held(), 200);
        account.add(100, 500, 200);
        account.released(399);
        assert_eq!(account.held(), 300);
        account.released(400);
        assert_eq!(account.held(), 100);
        account.released(500);
        assert_eq!(account.held(), 0);
    }

    #[test]
    fn what_a_predecessor_left_counts_until_it_is_gone() {
        let mut account = BulkAccount::everything(1000, 64);
        account.add(8, 72, 200);
        account.released(64_u64.wrapping_sub(1000));
        assert_eq!(account.held(), 1008);
        account.released(64);
        assert_eq!(account.held(), 8);
        account.released(72);
        assert_eq!(account.held(), 0);
    }
}
