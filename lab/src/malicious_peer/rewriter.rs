//! A word that changes between two looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::Word;

/// How often the word is written in a row before others on the same processor get a turn.
const IN_A_ROW: usize = 256;

/// A thread that writes two values in turn, until this is dropped.
#[derive(Debug)]
pub struct Rewriter {
    word: Word,
    last: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Rewriter {
    pub(super) fn start(word: Word, values: [u64; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (own, writes) = (stop.clone(), word.clone());
        let thread = thread::spawn(move || {
            while !own.load(Ordering::Relaxed) {
                for _ in 0..IN_A_ROW {
                    values.iter().for_each(|value| writes.set(*value));
                }
                thread::yield_now();
            }
        });
        Self { word, last: values[0], stop, thread: Some(thread) }
    }
}

impl Drop for Rewriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
        self.word.set(self.last);
    }
}
