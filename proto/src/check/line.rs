//! One check.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::console::shown;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as it should be.
    Ok,
    /// It is not, and messages do not arrive for it or may be lost.
    Failed,
    /// It will be as it should once something has happened.
    Pending,
    /// It could not be looked at.
    Unknown,
}

/// What one check found, and what to do about it. Its texts may hold what a guest chose: [`Display`](fmt::Display) makes
/// them fit for a terminal, and `next` never repeats a guest's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Name of the check: lower case, with dashes; it stays the same over versions.
    pub check: Cow<'static, str>,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// The command to type, or what else to do.
    pub next: Option<String>,
}

impl Line {
    /// It is as it should be.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, says, None)
    }

    /// It is not as it should be.
    pub fn failed(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Failed, says, Some(next.into()))
    }

    /// It is not so yet.
    pub fn pending(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Pending, says, Some(next.into()))
    }

    /// It could not be looked at; `next` makes that possible.
    pub fn unknown(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Unknown, says, Some(next.into()))
    }

    /// It cannot be looked at for as long as the check `cause` is not as it should be.
    pub fn because(check: &'static str, cause: &str) -> Self {
        Self::new(check, Verdict::Unknown, format!("not looked at, because of {cause}"), None)
    }

    fn new(check: &'static str, verdict: Verdict, says: impl Into<String>, next: Option<String>) -> Self {
        Line { check: check.into(), verdict, says: says.into(), next }
    }
}

/// Widths of the first two columns, as every program of the project has them.
const VERDICT: usize = 8;
const CHECK: usize = 18;

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "OK",
            Verdict::Failed => "FAILED",
            Verdict::Pending => "PENDING",
            Verdict::Unknown => "UNKNOWN",
        };
        write!(f, "{verdict:VERDICT$}{:CHECK$}{}", shown(&self.check), shown(&self.says))?;
        match &self.next {
            Some(next) => write!(f, "\n{:width$}-> {}", "", shown(next), width = VERDICT + CHECK),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_every_program_of_the_project_prints() {
        let line = Line::failed("daemon", "nobody listens", "systemctl start ivringd");
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            r#"{"check":"daemon","verdict":"failed","says":"nobody listens","next":"systemctl start ivringd"}"#
        );
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        let ok = serde_json::to_value(Line::ok("daemon", "")).unwrap();
        assert_eq!((&ok["verdict"], &ok["next"]), (&"ok".into(), &serde_json::Value::Null));
        for (verdict, name) in [(Verdict::Pending, "\"pending\""), (Verdict::Unknown, "\"unknown\"")] {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), name);
        }
    }

    #[test]
    fn text_is_in_columns_and_does_nothing_to_a_terminal() {
        let line = Line::ok("session", "web1\x1b[2J is attached");
        assert_eq!(line.to_string(), "OK      session           web1\\u{1b}[2J is attached");
        let line = Line::because("rings", "region");
        assert_eq!(line.to_string(), "UNKNOWN rings             not looked at, because of region");
        let text = Line::pending("device", "a\nb", "c\rd").to_string();
        assert_eq!(text, "PENDING device            a\\nb\n                          -> c\\rd");
    }
}
