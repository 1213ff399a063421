//! Processor time of everybody else while something is measured: all that the system counts on the two processors, less this
//! process's own, its workers' and its companions'.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// Both counts come in ticks, and each may be late by one for each processor.
const UNSURE: u64 = 2;

/// Counts at one moment, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    all: u64,
    own: u64,
}

/// A watch that was started.
#[derive(Debug)]
pub(crate) struct OtherWork {
    processors: [usize; 2],
    companions: Vec<u32>,
    from: Ticks,
    start: Instant,
}

/// What a watch found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others {
    ticks: u64,
    during: Duration,
}

impl OtherWork {
    /// Starts to watch two processors. Processes that are measured too, and go on afterwards, are `companions`.
    pub(crate) fn watch(processors: [usize; 2], companions: &[u32]) -> Result<Self, Failure> {
        let from = Ticks::now(processors, companions)?;
        Ok(Self { processors, companions: companions.to_vec(), from, start: Instant::now() })
    }

    /// What the others used since then. Workers must have been waited for.
    pub(crate) fn stop(self) -> Result<Others, Failure> {
        let now = Ticks::now(self.processors, &self.companions)?;
        let (all, own) = (now.all - self.from.all, now.own - self.from.own);
        Ok(Others { ticks: all.saturating_sub(own), during: self.start.elapsed() })
    }
}

impl Others {
    /// In milliseconds.
    pub(crate) fn ms(self) -> u64 {
        self.ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)
    }

    /// More than a tenth of one processor, and more than the counts are unsure of.
    pub(crate) fn is_too_much(self) -> bool {
        let tenth = u64::try_from(self.during.as_millis() / 10).unwrap_or(u64::MAX);
        self.ticks > UNSURE && self.ms() > tenth
    }
}

impl Ticks {
    fn now(processors: [usize; 2], companions: &[u32]) -> Result<Self, Failure> {
        let failed = || Failure::Io("/proc/stat", std::io::ErrorKind::InvalidData.into());
        let files = companions.iter().map(|process| format!("/proc/{process}/stat"));
        let mut own = 0;
        for file in files.chain(["/proc/self/stat".to_owned()]) {
            let stat = fs::read_to_string(file).map_err(Failure::io("a process in /proc"))?;
            own += own_ticks(&stat).ok_or_else(failed)?;
        }
        let all = fs::read_to_string("/proc/stat").map_err(Failure::io("/proc/stat"))?;
        Ok(Self { all: all_ticks(&all, processors).ok_or_else(failed)?, own })
    }
}

/// Ticks in which either processor was busy, or was taken away: `cpuN user nice system idle iowait irq softirq steal ...`.
fn all_ticks(stat: &str, processors: [usize; 2]) -> Option<u64> {
    let of = |number: usize| {
        let name = format!("cpu{number} ");
        let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
        let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, _idle, _wait, interrupts, soft, stolen, ..] = numbers[..] else {
            return None;
        };
        Some(user + nice + system + interrupts + soft + stolen)
    };
    Some(of(processors[0])? + of(processors[1])?)
}

/// Ticks of a process and of those of its children that it has waited for: fields 14 to 17, see proc(5).
fn own_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses can hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times: Vec<u64> = fields.split(' ').skip(11).take(4).map_while(|word| word.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::first_two;

    #[test]
    fn what_the_system_counts() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 4 1000 2000 8 16 32 64 128\ncpu10 9 9\ncpu2 100 0 0 1 1 0 0 0 0 0\n";
        assert_eq!(all_ticks(stat, [1, 2]), Some(163));
        assert_eq!(all_ticks(stat, [1, 10]), None);
        assert_eq!(all_ticks(stat, [1, 3]), None);
    }

    #[test]
    fn what_a_process_used() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194304 1 2 3 4 100 20 3 4000 20 0 1 0";
        assert_eq!(own_ticks(stat), Some(4123));
        assert_eq!(own_ticks("42 (a) S 1"), None);
    }

    #[test]
    fn a_little_is_not_too_much() {
        let others = |ticks| Others { ticks, during: Duration::from_millis(100) };
        assert!(!others(1).is_too_much());
        assert!(!others(2).is_too_much());
        assert!(others(10).is_too_much());
    }

    #[test]
    fn this_system_can_be_read() {
        OtherWork::watch(first_two().unwrap(), &[std::process::id()]).unwrap().stop().unwrap();
    }
}
