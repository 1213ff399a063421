//! How long a worker was ready to run while something else had its processor. Far finer than what the system counts in
//! ticks, but blind to what other processors do.

use std::{fs, time::Duration};

/// Nanoseconds that the calling thread has waited for its processor since it began; 0 where the kernel does not count.
pub(crate) fn held_up_ns() -> u64 {
    fs::read_to_string("/proc/thread-self/schedstat").ok().and_then(|stat| waited(&stat)).unwrap_or(0)
}

/// The same of a thread of another process.
pub(crate) fn thread_ns(process: u32, thread: u32) -> u64 {
    let file = format!("/proc/{process}/task/{thread}/schedstat");
    fs::read_to_string(file).ok().and_then(|stat| waited(&stat)).unwrap_or(0)
}

/// Whether it is too much in a measurement of this length: more than a twentieth of it. Somebody who blocks waits a little for
/// the processor at every message.
pub(crate) fn is_too_much(held_up_ns: u64, measured: Duration) -> bool {
    u128::from(held_up_ns) * 20 > measured.as_nanos()
}

/// The second number: time on the processor, time ready for it, and how often, see the kernel's `sched-stats`.
fn waited(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number() {
        assert_eq!(waited("4021365 1234 17\n"), Some(1234));
        assert_eq!(waited(""), None);
    }

    #[test]
    fn a_twentieth() {
        let measured = Duration::from_millis(100);
        assert!(!is_too_much(5_000_000, measured) && is_too_much(5_000_001, measured));
    }
}
