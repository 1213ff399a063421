//! What an engine says of itself, in lines such as
//! `#54197 NEW    cov: 1168 ft: 4425 corp: 808/8663b lim: 25 exec/s: 3387 rss: 33Mb`.

use std::fmt;

/// How far an engine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Inputs run.
    executions: u64,
    /// Edges of the program that were taken.
    edges: u64,
    /// Inputs kept, each for something that it alone reaches.
    inputs: u64,
}

impl Progress {
    /// By the last line that says anything.
    pub(super) fn of(log: &str) -> Self {
        let mut progress = log.lines().rev().find_map(Self::of_line).unwrap_or_default();
        // More has been run when it ends than when it last found something.
        let total = log.lines().rev().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        if let Some(total) = total.and_then(|total| total.trim().parse().ok()) {
            progress.executions = total;
        }
        progress
    }

    fn of_line(line: &str) -> Option<Self> {
        let executions = line.strip_prefix('#')?.split_whitespace().next()?.parse().ok()?;
        let after = |label: &str| {
            let (_, rest) = line.split_once(label)?;
            rest.trim_start().split(['/', ' ']).next()?.parse().ok()
        };
        Some(Progress { executions, edges: after("cov:")?, inputs: after("corp:").unwrap_or(0) })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executions = match self.executions {
            few @ ..1_000_000 => grouped(few),
            // As exact as anybody wants to know.
            many => format!("{}.{} M", grouped(many / 1_000_000), many / 100_000 % 10),
        };
        write!(f, "{executions} executions, {} edges, {} inputs", grouped(self.edges), grouped(self.inputs))
    }
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
INFO: Seed: 123
#2	INITED cov: 700 ft: 700 corp: 1/1b exec/s: 0 rss: 30Mb
#54197	NEW    cov: 1168 ft: 4425 corp: 808/8663b lim: 25 exec/s: 3387 rss: 33Mb L: 22/25 MS: 1 CopyPart-
	NEW_FUNC[1/3]: 0x558fe1d2c0b1
";

    #[test]
    fn the_last_line_counts() {
        assert_eq!(Progress::of(LOG), Progress { executions: 54_197, edges: 1168, inputs: 808 });
        assert_eq!(Progress::of(LOG).to_string(), "54,197 executions, 1,168 edges, 808 inputs");
        let ended = Progress::of(&format!("{LOG}stat::number_of_executed_units: 41960001\n"));
        assert_eq!(ended.to_string(), "41.9 M executions, 1,168 edges, 808 inputs");
        assert_eq!(Progress::of("no line"), Progress::default());
    }
}
