//! How an operator names a guest: UUID, prefix of it or name, with a port.

use serde::{Deserialize, Serialize};

use crate::session::{Identity, Port};

/// Who a guest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestIdentity {
    /// UUID of the VM, 36 characters in lower case.
    #[serde(rename = "guest")]
    pub uuid: String,
    /// Port within the VM; `agent` for the agent.
    pub port: String,
    /// The name the guest gave itself: not checked and not unique.
    pub name: String,
}

impl GuestIdentity {
    /// The identity without the name; `None` when it is none.
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity { uuid: self.uuid.parse().ok()?, port: Port::new(&self.port).ok()? })
    }
}

/// What an operator typed for a guest: `GUEST` or `GUEST:PORT`.
///
/// A whole UUID means that VM and nothing else, so that no guest can stand in another's way by taking its UUID for a
/// name. Anything else is a name or the beginning of a UUID, and may match several guests: then it is for the caller to
/// refuse, and to show the candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestName {
    guest: String,
    port: Option<String>,
}

/// Why a text names no guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestNameError {
    /// Nothing before the colon, or nothing at all.
    #[error("a guest's name is empty: give its UUID, the beginning of it, or its name")]
    NoGuest,
    /// Nothing behind the colon.
    #[error("no port behind the colon in `{0}:`: write GUEST:PORT, or GUEST for the agent")]
    NoPort(String),
}

impl GuestName {
    /// Takes `GUEST` and `GUEST:PORT` apart; the port follows the last colon.
    ///
    /// # Errors
    /// [`GuestNameError`] when a part is empty.
    pub fn parse(text: &str) -> Result<Self, GuestNameError> {
        let (guest, port) = match text.rsplit_once(':') {
            Some((guest, port)) => (guest, Some(port)),
            None => (text, None),
        };
        if guest.is_empty() {
            return Err(GuestNameError::NoGuest);
        }
        if port == Some("") {
            return Err(GuestNameError::NoPort(guest.to_owned()));
        }
        Ok(GuestName { guest: guest.to_owned(), port: port.map(str::to_owned) })
    }

    /// Whether the guest is one of those meant. Without a port that is every port of the VM.
    pub fn matches(&self, guest: &GuestIdentity) -> bool {
        self.port.as_ref().is_none_or(|port| *port == guest.port) && self.matches_vm(guest)
    }

    /// The port that was asked for, if one was.
    pub fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    fn matches_vm(&self, guest: &GuestIdentity) -> bool {
        let begins =
            guest.uuid.get(..self.guest.len()).is_some_and(|uuid| uuid.eq_ignore_ascii_case(&self.guest));
        begins || (self.guest == guest.name && !is_uuid(&self.guest))
    }
}

/// Whether the text has the form of a whole UUID.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6b7c1f2e-0000-4000-8000-000000000001";

    fn guest(port: &str, name: &str) -> GuestIdentity {
        GuestIdentity { uuid: UUID.into(), port: port.into(), name: name.into() }
    }

    fn matches(text: &str, guest: &GuestIdentity) -> bool {
        GuestName::parse(text).unwrap().matches(guest)
    }

    #[test]
    fn uuid_prefix_and_name_match() {
        let web1 = guest("agent", "web1");
        for text in [UUID, &UUID.to_uppercase(), "6", "6b7c", "6B7C1F2E-", "web1", "web1:agent", "6b7c:agent"]
        {
            assert!(matches(text, &web1), "{text}");
        }
        for text in ["7", "b7c", "web", "web11", "Web1", "web1:other", &format!("{UUID}0")] {
            assert!(!matches(text, &web1), "{text}");
        }
        assert!(matches("web1", &guest("metrics", "web1")));
        assert!(matches("a:b:metrics", &guest("metrics", "a:b")));
        assert!(matches("grüße", &guest("agent", "grüße")));
    }

    #[test]
    fn nobody_takes_another_guests_uuid_for_a_name() {
        let other = "11111111-1111-4111-8111-111111111111";
        assert!(!matches(other, &guest("agent", other)));
    }

    #[test]
    fn empty_parts_are_refused() {
        assert_eq!(GuestName::parse(""), Err(GuestNameError::NoGuest));
        assert_eq!(GuestName::parse(":agent"), Err(GuestNameError::NoGuest));
        assert_eq!(GuestName::parse("web1:"), Err(GuestNameError::NoPort("web1".into())));
    }
}
