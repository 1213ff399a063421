//! That there is no connection to a libvirt any more.

use ivring_vm_config::libvirt::{ChangeError, LibvirtError};

/// Why there is no connection to a libvirt.
#[derive(Debug)]
pub struct Lost {
    /// What is to be told.
    pub message: String,
    /// Whether there will be none, however long it is waited for.
    pub is_for_good: bool,
}

impl Lost {
    /// Whether `error` says that there is none, as against that something did not succeed.
    pub fn is(error: &LibvirtError) -> bool {
        matches!(error, LibvirtError::Connect { .. } | LibvirtError::NoVirsh | LibvirtError::Run(_))
    }

    /// The same of an error that says so of a change which was never begun.
    pub fn before(error: &ChangeError) -> Option<Self> {
        match error {
            ChangeError::Libvirt(error) if Self::is(error) => Some(error.into()),
            _ => None,
        }
    }
}

impl From<&LibvirtError> for Lost {
    fn from(error: &LibvirtError) -> Self {
        let message = match error {
            LibvirtError::Failed { message, .. } => format!("the connection is lost: {message}"),
            error => error.to_string(),
        };
        Self { message, is_for_good: matches!(error, LibvirtError::NoVirsh) }
    }
}

impl From<LibvirtError> for Lost {
    fn from(error: LibvirtError) -> Self {
        Self::from(&error)
    }
}
