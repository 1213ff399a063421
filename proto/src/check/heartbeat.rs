//! Whether a heartbeat moves.

use std::thread;
use std::time::{Duration, Instant};

use super::line::Line;
use super::region::Side;
use crate::console::amount::time;
use crate::memory::Memory;
use crate::session::BEAT;

/// How long a word is watched at most: two beats, and as long again as half of one for a busy machine.
pub const PATIENCE: Duration = Duration::from_millis(2500);
const _: () = assert!(PATIENCE.as_nanos() > 2 * BEAT.as_nanos());
/// How long words are watched at least, so that what is read from a ring now and then is seen to move.
const AT_LEAST: Duration = Duration::from_millis(300);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Watches the words at these offsets, and returns after what time each was seen to change: `None` for one that has stood
/// still for [`PATIENCE`]. Blocks until all have changed, for 300 ms at least.
pub fn watch_words<M: Memory>(memory: &M, at: &[u64]) -> Vec<Option<Duration>> {
    let began = Instant::now();
    let before: Vec<u64> = at.iter().map(|at| memory.load(*at)).collect();
    let mut moved = vec![None; at.len()];
    loop {
        thread::sleep(LOOK);
        let now = began.elapsed();
        for ((moved, at), before) in moved.iter_mut().zip(at).zip(&before) {
            if moved.is_none() && memory.load(*at) != *before {
                *moved = Some(now);
            }
        }
        if now >= PATIENCE || (now >= AT_LEAST && moved.iter().all(Option::is_some)) {
            return moved;
        }
    }
}

/// Judges the host's heartbeat, with what [`watch_words`] saw of it: the check `host-heartbeat`.
pub fn host_heartbeat(epoch: u64, moved: Option<Duration>, side: Side) -> Line {
    const CHECK: &str = "host-heartbeat";
    match moved {
        _ if epoch == 0 => {
            let next = side.on_host("systemctl start ivringd");
            Line::failed(CHECK, "the host has left: ivringd ended as it should", next)
        }
        Some(after) => Line::ok(CHECK, format!("moves: a beat came after {}", time(after))),
        None => {
            let still = time(PATIENCE);
            let says = format!(
                "has stood still for {still}: ivringd was killed, is stopped, or its machine is paused"
            );
            Line::failed(CHECK, says, side.on_host("systemctl restart ivringd"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::memory::HeapMemory;

    #[test]
    fn a_word_that_moves_is_told_from_one_that_stands() {
        let memory = HeapMemory::new(4096);
        let writer = memory.clone();
        let watched = thread::scope(|scope| {
            let watched = scope.spawn(|| watch_words(&memory, &[0, 8]));
            let mut beats = 0;
            while !watched.is_finished() {
                beats += 1;
                writer.store(8, beats);
                thread::sleep(LOOK);
            }
            watched.join().unwrap()
        });
        assert_eq!(watched[0], None);
        assert!(watched[1].is_some());
    }

    #[test]
    fn a_host_that_left_is_told_from_one_that_died() {
        let moved = Some(Duration::from_millis(400));
        let line = host_heartbeat(7, moved, Side::Host);
        assert_eq!((line.verdict, &*line.says), (Verdict::Ok, "moves: a beat came after 400.0 ms"));
        for (epoch, moved, says, next) in [
            (0, moved, "has left", "on the host: systemctl start ivringd"),
            (7, None, "stood still for 2.5 s", "on the host: systemctl restart ivringd"),
        ] {
            let line = host_heartbeat(epoch, moved, Side::Guest);
            assert!(line.verdict == Verdict::Failed && line.says.contains(says), "{line}");
            assert_eq!(line.next.as_deref(), Some(next));
        }
    }
}
