//! Checks that build on each other.

use super::line::Line;
use super::report::Report;
use crate::console::Failure;

/// A chain of checks: what cannot be looked at since one before it did not end well is told as that, and as no error of its
/// own.
#[derive(Debug)]
pub struct Chain<'r, 'o> {
    report: &'r mut Report<'o>,
    /// The first check that did not end well.
    cause: Option<String>,
}

impl<'r, 'o> Chain<'r, 'o> {
    /// One that begins.
    pub fn new(report: &'r mut Report<'o>) -> Self {
        Chain { report, cause: None }
    }

    /// Looks, by what an earlier check has given, and tells the line; what there is to go on with is returned. `input` is
    /// `None` when an earlier check gave nothing.
    ///
    /// # Errors
    /// As [`Report::tell`].
    pub fn step<I, T>(
        &mut self,
        check: &'static str,
        input: Option<I>,
        look: impl FnOnce(I) -> Result<(Line, T), Line>,
    ) -> Result<Option<T>, Failure> {
        let (line, value) = match input.map(look) {
            Some(Ok((line, value))) => (line, Some(value)),
            Some(Err(line)) => {
                self.cause.get_or_insert_with(|| line.check.to_string());
                (line, None)
            }
            None => (Line::because(check, self.cause.as_deref().unwrap_or("the checks before it")), None),
        };
        self.report.tell([line])?;
        Ok(value)
    }

    /// Tells a line on which nothing else depends.
    ///
    /// # Errors
    /// As [`Report::tell`].
    pub fn tell(&mut self, line: Line) -> Result<(), Failure> {
        self.report.tell([line])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Output;

    #[test]
    fn what_cannot_be_looked_at_names_the_first_that_failed() {
        let out = &mut Output::new(true);
        let mut report = Report::new(out);
        let mut chain = Chain::new(&mut report);
        let one = chain.step("one", Some(1), |one| Ok((Line::ok("one", ""), one + 1))).unwrap();
        assert_eq!(one, Some(2));
        let two = chain.step("two", one, |_| Err::<(Line, u8), _>(Line::failed("two", "", ""))).unwrap();
        let three = chain.step("three", two, |_| unreachable!("there is nothing to look at")).unwrap();
        assert_eq!(three, None::<()>);
        let lines = report.lines();
        assert_eq!(lines[2], Line::because("three", "two"));
        assert_eq!(lines.len(), 3);
    }
}
