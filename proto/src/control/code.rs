//! How a request ended, in the numbers that every binary exits with.

use serde::{Deserialize, Serialize};

/// How a request or a command ended; the number is the exit code of the binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
#[repr(u8)]
pub enum Code {
    /// Done, or already so.
    #[default]
    Done = 0,
    /// A negative answer: not connected, nothing found.
    Negative = 1,
    /// The request or command line makes no sense.
    Usage = 2,
    /// Refused or unsupported.
    Refused = 3,
    /// The input is bad: a topic, a message, a region.
    BadInput = 4,
    /// Input or output, permission or the peer failed.
    Failure = 5,
    /// Done, but something is still pending.
    Pending = 6,
}

impl Code {
    /// Whether this is [`Code::Done`].
    pub fn is_done(&self) -> bool {
        *self == Code::Done
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> u8 {
        code as u8
    }
}

impl From<u8> for Code {
    /// A number that this version doesn't know is taken for a failure.
    fn from(number: u8) -> Code {
        match number {
            0 => Code::Done,
            1 => Code::Negative,
            2 => Code::Usage,
            3 => Code::Refused,
            4 => Code::BadInput,
            6 => Code::Pending,
            _ => Code::Failure,
        }
    }
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        u8::from(code).into()
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_go_both_ways() {
        for number in 0..=6 {
            assert_eq!(u8::from(Code::from(number)), number);
        }
        assert_eq!(Code::from(77), Code::Failure);
        assert_eq!(serde_json::to_string(&Code::Refused).unwrap(), "3");
        assert_eq!(serde_json::from_str::<Code>("4").unwrap(), Code::BadInput);
    }
}
