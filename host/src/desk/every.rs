//! A moment that comes again and again.

use std::time::{Duration, Instant};

/// Due once in each span of time.
#[derive(Debug)]
pub(crate) struct Every {
    span: Duration,
    next: Instant,
}

impl Every {
    /// Due at once, and then each `span`.
    pub(crate) fn new(span: Duration) -> Self {
        Every { span, next: Instant::now() }
    }

    /// Whether the moment has come; the next is counted from now then.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.span;
        }
        due
    }

    /// Makes it due at that time.
    pub(crate) fn due_at(&mut self, at: Instant) {
        self.next = at;
    }
}
