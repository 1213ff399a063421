//! Processor time of a process, far finer than the ticks that `top` counts in.

use std::{fs, io, path::PathBuf, time::Duration};

use rustix::io::Errno;

use crate::failure::Failure;

/// What the scheduler has counted of a process, all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Busy {
    /// How long it was on a processor.
    pub(crate) time: Duration,
    /// How often it came there.
    pub(crate) turns: u64,
}

/// What a process of this machine has used.
pub(crate) fn busy(process: u32) -> Result<Busy, Failure> {
    let tasks = PathBuf::from(format!("/proc/{process}/task"));
    let read = || -> io::Result<Busy> {
        let mut stats = String::new();
        for task in fs::read_dir(tasks)? {
            match fs::read_to_string(task?.path().join("schedstat")) {
                Ok(line) => stats += &line,
                // A thread that has ended meanwhile; the kernel says either.
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(counted(&stats))
    };
    read().map_err(Failure::io("processor time of a process"))
}

/// The sums of all lines, each of a thread: time on the processor, time ready for it, and how often, see the kernel's
/// `sched-stats`.
pub(crate) fn counted(stats: &str) -> Busy {
    stats.lines().fold(Busy::default(), |sum, line| {
        let mut numbers = line.split(' ').map(|word| word.parse().unwrap_or(0));
        let time = Duration::from_nanos(numbers.next().unwrap_or(0));
        Busy { time: sum.time + time, turns: sum.turns + numbers.nth(1).unwrap_or(0) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed() {
        let busy = Busy { time: Duration::from_nanos(4_022_365), turns: 20 };
        assert_eq!(counted("4021365 1234 17\n1000 2 3\n"), busy);
        assert_eq!(counted(""), Busy::default());
    }

    #[test]
    fn this_process_has_been_busy() {
        assert!(busy(std::process::id()).unwrap().turns > 0);
    }
}
