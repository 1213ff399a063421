//! A peer's requests: answered out of order, some too late, some never.

use std::collections::VecDeque;
use std::io;

use super::message::Message;
use super::side::Side;
use super::work::Work;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Once nobody waits any more.
    Late,
    Never,
}

/// Of each ten requests, one is answered late, and one never.
fn fate(number: u64) -> Fate {
    match number % 10 {
        3 => Fate::Late,
        7 => Fate::Never,
        _ => Fate::Answered,
    }
}

#[derive(Debug)]
struct Asked {
    id: u64,
    fate: Fate,
    payload: Vec<u8>,
}

/// Requests of one peer.
#[derive(Debug, Default)]
pub(super) struct Answering {
    collected: Vec<Asked>,
    ready: VecDeque<Asked>,
    late: VecDeque<Asked>,
    /// Nobody waits any more.
    over: bool,
}

impl Answering {
    /// Keeps a request until there are as many as wanted.
    pub(super) fn take(&mut self, work: &Work, id: u64, message: Message, payload: Vec<u8>) {
        self.collected.push(Asked { id, fate: fate(message.number), payload });
        if self.collected.len() == work.answer {
            let mut all: Vec<_> = std::mem::take(&mut self.collected).into_iter().enumerate().collect();
            // Read backwards, numbers that follow each other are far apart.
            all.sort_by_key(|(place, _)| place.reverse_bits());
            for (_, asked) in all {
                match asked.fate {
                    Fate::Answered => self.ready.push_back(asked),
                    Fate::Late => self.late.push_back(asked),
                    Fate::Never => {}
                }
            }
        }
    }

    /// Nobody waits any more.
    pub(super) fn over(&mut self) {
        self.over = true;
    }

    /// Answers one. True when it did.
    pub(super) fn step(&mut self, side: &mut impl Side) -> io::Result<bool> {
        let queue = if self.over { &mut self.late } else { &mut self.ready };
        let Some(asked) = queue.front() else { return Ok(false) };
        let answered = side.respond(asked.id, &asked.payload)?.is_some();
        if answered {
            queue.pop_front();
        }
        Ok(answered)
    }
}
