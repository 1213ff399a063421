//! Memory that all links of a process may use together to put fragments together again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that several links share. Clones are the same budget.
#[derive(Debug, Clone)]
pub struct Budget {
    left: Arc<AtomicUsize>,
}

impl Budget {
    /// So many bytes in all.
    pub fn new(bytes: usize) -> Self {
        Budget { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// Bytes that nobody uses.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// A share of nothing, to be grown.
    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

/// A part of a budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Bytes taken so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many bytes more, if there are so many left.
    #[must_use]
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self.budget.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_of_one_budget_and_go_back() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.share(), budget.clone().share());
        assert!(one.grow(60) && !other.grow(41) && other.grow(40));
        assert_eq!(budget.left(), 0);
        drop(one);
        assert_eq!(budget.left(), 60);
        assert!(!other.grow(61) && other.grow(60));
        drop(other);
        assert_eq!(budget.left(), 100);
    }
}
