//! Why sessions end.

/// Why a session ended or was ended, as both sides store and show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The guest's program ended as it should.
    Bye,
    /// The guest's program found a fault in what the host wrote.
    GuestFault,
    /// The host found a fault in what the guest wrote.
    HostFault,
    /// A newer program with the same identity took the channel.
    Superseded,
    /// The operator took the channel away.
    Evicted,
    /// The VM is gone, or its device was unplugged: nothing of it maps the region any more.
    VmGone,
    /// The guest has booted anew.
    Rebooted,
    /// The writer read back a heartbeat it had not written: a clone, a rollback or a second program.
    SecondWriter,
    /// The region is being formatted anew.
    Reformat,
    /// The channel was offered to somebody new, who did not come to take it.
    NotTaken,
    /// A code of a newer version.
    Unknown(u8),
}

impl CloseReason {
    /// The code in the region.
    pub const fn code(self) -> u8 {
        match self {
            CloseReason::Bye => 1,
            CloseReason::GuestFault => 2,
            CloseReason::HostFault => 3,
            CloseReason::Superseded => 4,
            CloseReason::Evicted => 5,
            CloseReason::VmGone => 6,
            CloseReason::Rebooted => 7,
            CloseReason::SecondWriter => 8,
            CloseReason::Reformat => 9,
            CloseReason::NotTaken => 10,
            CloseReason::Unknown(code) => code,
        }
    }

    /// The reverse of [`code`](Self::code).
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => CloseReason::Bye,
            2 => CloseReason::GuestFault,
            3 => CloseReason::HostFault,
            4 => CloseReason::Superseded,
            5 => CloseReason::Evicted,
            6 => CloseReason::VmGone,
            7 => CloseReason::Rebooted,
            8 => CloseReason::SecondWriter,
            9 => CloseReason::Reformat,
            10 => CloseReason::NotTaken,
            code => CloseReason::Unknown(code),
        }
    }
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            CloseReason::Bye => "the guest said good-bye",
            CloseReason::GuestFault => "the guest found a fault in what the host wrote",
            CloseReason::HostFault => "the host found a fault in what the guest wrote",
            CloseReason::Superseded => "a newer program with the same identity took the channel",
            CloseReason::Evicted => "evicted by the operator",
            CloseReason::VmGone => "the virtual machine is gone, or its device",
            CloseReason::Rebooted => "the guest has booted anew",
            CloseReason::SecondWriter => {
                "somebody else writes with the same identity (clone, rollback or second program)"
            }
            CloseReason::Reformat => "the region is being formatted anew",
            CloseReason::NotTaken => "the channel was offered to it, and it did not come to take it",
            CloseReason::Unknown(code) => return write!(f, "reason {code} of a newer version"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives() {
        for code in 0..=255 {
            assert_eq!(CloseReason::from_code(code).code(), code);
        }
    }
}
