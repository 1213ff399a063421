//! Who a channel belongs to.

use super::Text;
use crate::layout::PORT_LEN;
use uuid::Uuid;

/// Why a port name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a port name has 1 to {PORT_LEN} characters of a-z, A-Z, 0-9, '-', '_' and '.'")]
pub struct InvalidText;

/// Name of one program's channel in a guest; the agent's is `agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(Text<PORT_LEN>);

impl Port {
    /// The agent's port.
    pub fn agent() -> Self {
        Port(Text::truncated("agent"))
    }

    /// A port by its name.
    ///
    /// # Errors
    ///
    /// When the name is empty, too long or has other characters than letters, digits, `-`, `_` and `.`; so a port can
    /// stand on a command line, in a log and in a file name as it is.
    pub fn new(name: &str) -> Result<Self, InvalidText> {
        Text::new(name).map(Port).filter(Port::is_valid).ok_or(InvalidText)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn from_text(text: Text<PORT_LEN>) -> Option<Self> {
        Some(Port(text)).filter(Port::is_valid)
    }

    pub(super) fn text(&self) -> &Text<PORT_LEN> {
        &self.0
    }

    fn is_valid(&self) -> bool {
        !self.0.is_empty()
            && self.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    }
}

impl core::fmt::Display for Port {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The owner of a channel: a VM and a port in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// UUID of the VM, as its hypervisor set it.
    pub uuid: Uuid,
    /// Port in that VM.
    pub port: Port,
}

impl core::fmt::Display for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.uuid, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_names_are_plain() {
        assert_eq!(Port::new("web-1_a.b").expect("plain").as_str(), "web-1_a.b");
        for bad in ["", "a b", "a:b", "ä", "a\u{1b}[0m", &"x".repeat(PORT_LEN + 1)] {
            assert_eq!(Port::new(bad), Err(InvalidText), "{bad:?}");
        }
    }
}
