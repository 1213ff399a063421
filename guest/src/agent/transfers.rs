//! Messages of control clients that go over in fragments: answered when the host's program has them.

use std::collections::HashMap;

use ivring_proto::control::{ClientId, Code, Response, Sent};
use ivring_proto::link::Declined;

use super::Agent;

/// Why a message in fragments did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TransferError {
    #[error("interrupted while it went over in fragments: the host may have it or not")]
    Interrupted,
    #[error("the host did not take it: {0}")]
    Declined(Declined),
}

/// Who waits for the end of which transfer.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    open: HashMap<u64, (ClientId, u64)>,
}

impl Transfers {
    /// The client waits for the end of a message, by the client's number and by the message's.
    pub(super) fn begin(&mut self, client: ClientId, id: u64, message: u64) {
        self.open.insert(message, (client, id));
    }
}

impl Agent {
    /// Answers the client whose message has ended.
    pub(super) fn transfer_ended(&mut self, message: u64, how: Result<(), TransferError>) {
        let Some((client, id)) = self.transfers.open.remove(&message) else { return };
        let response = match how {
            Ok(()) => Response::carrying(id, &Sent { message }),
            Err(error @ TransferError::Interrupted) => Response::failed(id, Code::Failure, error),
            Err(error @ TransferError::Declined(_)) => Response::failed(id, Code::Refused, error),
        };
        self.reply(client, &response, &[]);
    }
}
