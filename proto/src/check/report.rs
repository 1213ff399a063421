//! The checks on standard output.

use super::line::{Line, Verdict};
use crate::console::{Failure, Output};
use crate::control::Code;

/// The lines of one run: as text each goes out at once, as JSON all of them as one list at the end.
#[derive(Debug)]
pub struct Report<'a> {
    out: &'a mut Output,
    lines: Vec<Line>,
}

impl<'a> Report<'a> {
    /// An empty one.
    pub fn new(out: &'a mut Output) -> Self {
        Report { out, lines: Vec::new() }
    }

    /// Tells what was found.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn tell(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), Failure> {
        for line in lines {
            if !self.out.json {
                self.out.line(&line)?;
            }
            self.lines.push(line);
        }
        Ok(())
    }

    /// What was told so far.
    #[cfg(test)]
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Ends it, with a last line on standard error that sums up.
    ///
    /// # Errors
    /// With [`Code::Negative`] when a check failed; else as [`Output::json`].
    pub fn end(self) -> Result<(), Failure> {
        if self.out.json {
            self.out.json(&self.lines)?;
        }
        match summary(&self.lines) {
            Ok(text) => {
                tracing::info!("{text}");
                Ok(())
            }
            Err(text) => Err(Failure::new(Code::Negative, text)),
        }
    }
}

/// What it comes to; an error when something failed. The names come from this project's programs.
fn summary(lines: &[Line]) -> Result<String, String> {
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let first = lines.iter().find(|line| line.verdict == Verdict::Failed);
    match (first, count(Verdict::Pending), count(Verdict::Unknown)) {
        (Some(first), ..) => Err(format!("{} failed: first {}", count(Verdict::Failed), first.check)),
        (None, 0, 0) => Ok(format!("all {} checks are ok", lines.len())),
        (None, pending, unknown) => Ok(format!("nothing failed; {pending} pending, {unknown} unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_leads() {
        let (ok, unknown) = (Line::ok("a", ""), Line::because("b", "a"));
        assert_eq!(summary(std::slice::from_ref(&ok)), Ok("all 1 checks are ok".to_owned()));
        let pending = Line::pending("c", "", "");
        let lines = [ok, unknown, pending];
        assert_eq!(summary(&lines), Ok("nothing failed; 1 pending, 1 unknown".to_owned()));
        let failed = ["region", "daemon"].map(|check| Line::failed(check, "", ""));
        let lines = [&lines[..], &failed[..]].concat();
        assert_eq!(summary(&lines), Err("2 failed: first region".to_owned()));
    }
}
