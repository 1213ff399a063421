//! Pings and requests of control clients that wait for the host's answer.

use std::collections::HashMap;

use ivring_proto::control::ClientId;

/// Calls that may be open at a time.
pub(super) const MOST: usize = 4096;

/// One call that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) client: ClientId,
    /// The client's number for it.
    pub(super) id: u64,
}

/// The calls that wait, by their number on the link. Each is ended by the link: by an answer, or because there is none.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<u64, Call>,
}

impl Calls {
    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MOST
    }

    pub(super) fn insert(&mut self, number: u64, call: Call) {
        self.open.insert(number, call);
    }

    /// The call that this is the end of.
    pub(super) fn ended(&mut self, number: u64) -> Option<Call> {
        self.open.remove(&number)
    }
}
