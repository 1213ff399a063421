//! One run of the doctor, and its lines.

use std::process::Command;

use serde_json::Value;

/// The lines of a run, and its exit code.
pub struct Checks {
    lines: Vec<Value>,
    code: Option<i32>,
    errors: String,
}

impl Checks {
    /// Runs a command that is to print JSON.
    pub fn of(command: &mut Command) -> Self {
        let output = command.arg("--json").output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let lines =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
        Checks { lines, code: output.status.code(), errors }
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line["check"].as_str().unwrap()).collect()
    }

    /// How a check ended.
    pub fn verdict(&self, check: &str) -> &str {
        self.line(check)["verdict"].as_str().unwrap()
    }

    /// What it says.
    pub fn says(&self, check: &str) -> &str {
        self.line(check)["says"].as_str().unwrap()
    }

    fn line(&self, check: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["check"] == check);
        found.unwrap_or_else(|| panic!("no line {check} in {:#?}", self.lines))
    }

    /// Asserts how a check ended and parts of what it says and of what to do next.
    #[track_caller]
    pub fn assert(&self, check: &str, verdict: &str, says: &str, next: &str) -> &Self {
        // Of several lines of that name the one that says so.
        let mut named = self.lines.iter().filter(|line| line["check"] == check);
        let line = named.find(|line| line["says"].as_str().unwrap().contains(says));
        let line = line.unwrap_or_else(|| panic!("{says:?} is not said: {:#?}", self.line(check)));
        assert_eq!(line["verdict"], verdict, "{line}");
        match line["next"].as_str() {
            None => assert_eq!(next, "", "{line}"),
            Some(found) => assert!(!next.is_empty() && found.contains(next), "{line}"),
        }
        self
    }

    /// Asserts that the checks were not looked at, because of `cause`.
    #[track_caller]
    pub fn assert_because(&self, checks: &[&str], cause: &str) -> &Self {
        for check in checks {
            self.assert(check, "unknown", &format!("not looked at, because of {cause}"), "");
        }
        self
    }

    /// Asserts that nothing failed.
    #[track_caller]
    pub fn assert_none_failed(&self) {
        assert_eq!(self.code, Some(0), "{:#?}", self.lines);
        assert!(!self.errors.contains("failed:"), "{}", self.errors);
    }

    /// Asserts that `check` is the first that failed, and that the last line and the exit code say so.
    #[track_caller]
    pub fn assert_first(&self, check: &str) {
        assert_eq!(self.code, Some(1), "{}", self.errors);
        let failed = self.lines.iter().filter(|line| line["verdict"] == "failed").count();
        assert!(self.errors.contains(&format!("{failed} failed: first {check}")), "{}", self.errors);
    }
}
