//! What was found at one point, the same for people and for programs.

use std::fmt;

use serde::Serialize;

/// What a look at one thing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It stops messages, or will.
    Failed,
    /// It does no harm now, and is not yet as it should be.
    Pending,
    /// It could not be looked at.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Failed => "FAILED",
            Self::Pending => "PENDING",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// What was found at one point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// The name of the check, which stays the same.
    pub check: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What is, in words.
    pub says: String,
    /// The command to type, if one helps.
    pub next: Option<String>,
}

impl CheckLine {
    /// All is well.
    pub(super) fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, says: says.into(), next: None }
    }

    /// It stops messages, or will; `next` helps.
    pub(super) fn failed(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Failed, says: says.into(), next: Some(next.into()) }
    }

    /// It does no harm now; `next` makes it right.
    pub(super) fn pending(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Pending, says: says.into(), next: Some(next.into()) }
    }

    /// It could not be looked at, and why.
    pub(super) fn unknown(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, says: why.into(), next: None }
    }

    /// The same with a command that helps.
    pub(super) fn then(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }
}

impl fmt::Display for CheckLine {
    /// One line, and a second one with the command where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:<18}{}", self.verdict, self.check, self.says)?;
        match &self.next {
            Some(next) => write!(f, "\n{:26}-> {next}", ""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_for_people_and_for_programs() {
        let line = CheckLine::failed("region-file", "/dev/shm/fg_i3 is a directory", "rmdir /dev/shm/fg_i3");
        assert_eq!(
            line.to_string(),
            "FAILED  region-file       /dev/shm/fg_i3 is a directory\n                          -> rmdir /dev/shm/fg_i3"
        );
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"check":"region-file","verdict":"failed","says":"/dev/shm/fg_i3 is a directory","next":"rmdir /dev/shm/fg_i3"}"#
        );
        let line = CheckLine::ok("kvm", "/dev/kvm is there");
        assert_eq!(line.to_string(), "OK      kvm               /dev/kvm is there");
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"check":"kvm","verdict":"ok","says":"/dev/kvm is there","next":null}"#
        );
    }
}
