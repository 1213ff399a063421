//! Processor time of a process, far finer than the ticks that `top` counts in.

use std::{fs, io, path::PathBuf};

use crate::failure::Failure;

/// Nanoseconds that the process has been on a processor, all threads together.
pub(crate) fn busy_ns(process: u32) -> Result<u64, Failure> {
    let tasks = PathBuf::from(format!("/proc/{process}/task"));
    let read = || -> io::Result<u64> {
        let mut ns = 0;
        for task in fs::read_dir(tasks)? {
            ns += on_processor(&fs::read_to_string(task?.path().join("schedstat"))?);
        }
        Ok(ns)
    };
    read().map_err(Failure::io("processor time of a process"))
}

/// The sum of the first numbers of all lines, each of a thread: time on the processor, time ready for it, and how often, see the
/// kernel's `sched-stats`.
pub(crate) fn on_processor(stats: &str) -> u64 {
    stats.lines().filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed() {
        assert_eq!(on_processor("4021365 1234 17\n1000 2 3\n"), 4_022_365);
        assert_eq!(on_processor(""), 0);
    }

    #[test]
    fn this_process_has_been_busy() {
        assert!(busy_ns(std::process::id()).unwrap() > 0);
    }
}
