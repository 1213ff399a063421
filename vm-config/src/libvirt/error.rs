//! Why libvirt did not do or say what was asked.

use std::io;

use thiserror::Error;

/// Why libvirt did not do or say what was asked.
#[derive(Debug, Error)]
pub enum LibvirtError {
    /// There is no virsh.
    #[error(
        "virsh is not installed: install libvirt's client programs (Debian: apt install libvirt-clients)"
    )]
    NoVirsh,
    /// virsh could not be run.
    #[error("cannot run virsh: {0}")]
    Run(#[from] io::Error),
    /// There is no connection.
    #[error("cannot connect to {uri}: {message}; {hint}")]
    Connect {
        /// The URI.
        uri: String,
        /// What libvirt said.
        message: String,
        /// What to do next.
        hint: &'static str,
    },
    /// libvirt refused, or failed.
    #[error("{command}: {message}")]
    Failed {
        /// What was asked for: a virsh command without its operands.
        command: String,
        /// What libvirt said.
        message: String,
    },
    /// The answer is none.
    #[error("{command}: virsh answered with what is no text in UTF-8, or not in parts as asked")]
    Garbled {
        /// What was asked for.
        command: String,
    },
    /// The answer does not end.
    #[error("{command}: virsh answered with more than {most} bytes, of which nothing was used")]
    TooMuch {
        /// What was asked for.
        command: String,
        /// How many bytes are read.
        most: u64,
    },
}

/// What virsh says first when there is no connection.
const NO_CONNECTION: &str = "failed to connect to the hypervisor";

impl LibvirtError {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoVirsh => "no-virsh",
            Self::Run(_) => "virsh",
            Self::Connect { .. } => "connection",
            Self::Failed { .. } => "libvirt",
            Self::Garbled { .. } => "garbled",
            Self::TooMuch { .. } => "too-much",
        }
    }

    /// Whether nothing else of this libvirt can be had either.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }

    /// The error in the words of `complaints`, which virsh wrote about `command`.
    pub(super) fn of(uri: &str, command: &str, complaints: &[String]) -> Self {
        let heard = |what: &str| complaints.iter().any(|line| line.contains(what));
        // The first line says what virsh could not do, the others why.
        let reasons = complaints.get(1..).filter(|reasons| !reasons.is_empty()).unwrap_or(complaints);
        let message = if reasons.is_empty() { "virsh gave no reason".to_owned() } else { reasons.join("; ") };
        if !heard(NO_CONNECTION) {
            return Self::Failed { command: command.to_owned(), message };
        }
        let hint = if heard("Permission denied") || heard("authentication") {
            "only root and the group libvirt may: use sudo, join the group (usermod -aG libvirt USER), or take your \
             own domains with -c qemu:///session"
        } else if heard("No such file or directory") || heard("Connection refused") {
            "start libvirt (systemctl start libvirtd, or virtqemud where libvirt is modular), or name another with -c"
        } else {
            "check the URI (-c; qemu:///system is this machine's libvirt) with: virsh -c URI list"
        };
        Self::Connect { uri: uri.to_owned(), message, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(lines: &[&str]) -> LibvirtError {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        LibvirtError::of("qemu:///system", "attach-device", &lines)
    }

    #[test]
    fn the_reason_is_told_and_what_to_do_about_it() {
        let denied = [NO_CONNECTION, "Failed to connect socket to '/s': Permission denied"];
        assert!(error(&denied).to_string().contains("usermod -aG libvirt"), "{}", error(&denied));
        let absent = [NO_CONNECTION, "Failed to connect socket to '/s': No such file or directory"];
        assert!(error(&absent).to_string().contains("systemctl start libvirtd"), "{}", error(&absent));
        assert_eq!(
            error(&["Failed to attach device from /dev/stdin", "non unique alias detected: ua-fg"])
                .to_string(),
            "attach-device: non unique alias detected: ua-fg"
        );
        assert_eq!(
            error(&["failed to get domain 'x'"]).to_string(),
            "attach-device: failed to get domain 'x'"
        );
        assert_eq!(error(&[]).to_string(), "attach-device: virsh gave no reason");
    }
}
