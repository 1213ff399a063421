//! What the daemon's process takes: memory at its most, and descriptors.

use std::fs;
use std::time::{Duration, Instant};

use crate::running::{Daemon, LIMIT};

impl Daemon {
    /// The most memory that was ever resident, in bytes, the mapped region among it: `VmHWM` of proc_pid_status(5).
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        let number = line.trim().strip_suffix(" kB").expect("in KiB").parse::<u64>().expect("a number");
        number << 10
    }

    /// Descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    /// Waits until it has no more descriptors open than that: for a moment it looks through the files of `/proc`, and a command
    /// that has just ended is still connected.
    pub fn has_at_most(&self, descriptors: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.descriptors() > descriptors {
            assert!(Instant::now() < deadline, "{} of {descriptors} descriptors", self.descriptors());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that it took no more memory than that since `before`.
    pub fn took_at_most(&self, before: u64, bound: u64) {
        let took = self.most_memory().saturating_sub(before);
        assert!(took <= bound, "{} KiB more were resident, the bound is {} KiB", took >> 10, bound >> 10);
    }
}
