//! Why a client's call came to nothing.

use ivring_proto::control::ClientError;
use ivring_proto::link::{InvalidTopic, SendError};

use crate::HostSendError;

/// Why a client's call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientSendError {
    /// What the daemon's host says, as [`Host`](crate::Host) does; nothing was sent.
    #[error(transparent)]
    Host(#[from] HostSendError),
    /// The daemon refused for another reason, or could not be asked: when the connection is lost before the answer, it is
    /// not known whether something was sent.
    #[error(transparent)]
    Daemon(ClientError),
}

impl From<InvalidTopic> for ClientSendError {
    fn from(error: InvalidTopic) -> Self {
        ClientSendError::Host(error.into())
    }
}

impl From<ClientError> for ClientSendError {
    fn from(error: ClientError) -> Self {
        let detail = match &error {
            ClientError::Refused { detail: Some(detail), .. } => {
                serde_json::from_value::<SendError>(detail.clone()).ok()
            }
            _ => None,
        };
        match detail {
            Some(error) => ClientSendError::Host(error.into()),
            None => ClientSendError::Daemon(error),
        }
    }
}
