//! Counts of what passed, failed and was skipped.

use std::fmt;
use std::ops::Add;

/// How a test that cannot run where it is says so, at the start of a line.
const SKIPPED: &str = "SKIPPED ";

/// What checks came to: tests one by one, and every other check as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Held.
    pub passed: u32,
    /// Did not hold, or could not be carried out.
    pub failed: u32,
    /// Could not be carried out here, and said why.
    pub skipped: u32,
}

impl Tally {
    pub(super) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(super) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// The tests in the output of `cargo test`. A failure without a failed test, such as a compile error, counts as one;
    /// so does a run without any test, as what was to be tested is not there.
    pub(super) fn of_tests(output: &str, succeeded: bool) -> Self {
        let mut tally = output.lines().filter_map(result_line).fold(Self::default(), Self::add);
        let skipped = output.lines().filter(|line| line.starts_with(SKIPPED)).count();
        // A skipped test returns, so the harness counts it as passed.
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX).min(tally.passed);
        tally.passed -= skipped;
        tally.skipped += skipped;
        if !succeeded && tally.failed == 0 || tally == Self::default() {
            tally.failed += 1;
        }
        tally
    }
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
fn result_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(what))?;
        part.trim().parse().ok()
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
SKIPPED boots: no qemu
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
a line that says test result: ok. 9 passed; 0 failed; 0 ignored
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn the_result_lines_are_summed() {
        let tally = Tally::of_tests(OUTPUT, false);
        assert_eq!(tally, Tally { passed: 3, failed: 2, skipped: 2 });
        assert_eq!(tally.to_string(), "3 passed, 2 failed, 2 skipped");
    }

    #[test]
    fn a_failure_without_a_failed_test_counts() {
        assert_eq!(Tally::of_tests("error: could not compile", false), Tally::FAILED);
    }

    #[test]
    fn a_run_without_tests_is_a_failure() {
        let none =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s";
        assert_eq!(Tally::of_tests(none, true), Tally::FAILED);
    }
}
