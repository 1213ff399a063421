//! Requests and pings that wait for their answers.

use std::collections::HashMap;
use std::time::Duration;

use super::incarnation::Incarnation;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Request,
    Ping,
}

#[derive(Debug)]
struct Open {
    question: Question,
    asked: Duration,
    patience: Duration,
}

impl Open {
    fn deadline(&self) -> Duration {
        self.asked.saturating_add(self.patience)
    }
}

/// All that waits, by number. Answers may come in any order.
#[derive(Debug)]
pub(super) struct Asked {
    incarnation: Incarnation,
    counter: u32,
    open: HashMap<u64, Open>,
    /// No deadline is before.
    earliest: Duration,
}

impl Asked {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Asked { incarnation, counter: 0, open: HashMap::new(), earliest: Duration::MAX }
    }

    pub(super) fn renumber(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    /// A number that nothing else waits under.
    pub(super) fn number(&mut self) -> u64 {
        loop {
            self.counter = self.counter.wrapping_add(1);
            let number = self.incarnation.request(self.counter);
            // Taken only by one that has waited for four thousand million others.
            if !self.open.contains_key(&number) {
                return number;
            }
        }
    }

    pub(super) fn wait(&mut self, number: u64, question: Question, now: Duration, patience: Duration) {
        let open = Open { question, asked: now, patience };
        self.earliest = self.earliest.min(open.deadline());
        self.open.insert(number, open);
    }

    /// How long the answer took, if somebody still waits for it.
    pub(super) fn answered(&mut self, number: u64, question: Question, now: Duration) -> Option<Duration> {
        if self.open.get(&number)?.question != question {
            return None;
        }
        let open = self.open.remove(&number)?;
        Some(now.saturating_sub(open.asked))
    }

    /// Nobody waits for it any more. Says whether somebody did.
    pub(super) fn give_up(&mut self, number: u64) -> bool {
        self.open.remove(&number).is_some()
    }

    /// Takes out those whose time is over, with how long they waited.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<(u64, Duration)> {
        if now < self.earliest {
            return Vec::new();
        }
        let overdue = self.open.extract_if(|_, open| open.deadline() <= now);
        let overdue = overdue.map(|(number, open)| (number, open.patience)).collect();
        self.earliest = self.open.values().map(Open::deadline).min().unwrap_or(Duration::MAX);
        overdue
    }

    /// Takes out all of them.
    pub(super) fn all(&mut self) -> Vec<u64> {
        self.earliest = Duration::MAX;
        self.open.drain().map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_come_in_any_order_and_late_ones_find_nobody() {
        let mut asked = Asked::new(Incarnation::of(7));
        let [a, b, c] = std::array::from_fn(|_| asked.number());
        asked.wait(a, Question::Request, SECOND, SECOND);
        asked.wait(b, Question::Ping, SECOND, SECOND * 2);
        asked.wait(c, Question::Request, SECOND, Duration::MAX);
        assert_eq!(asked.answered(c, Question::Request, SECOND * 3), Some(SECOND * 2));
        assert_eq!(asked.answered(b, Question::Request, SECOND), None);
        assert_eq!(asked.overdue(SECOND * 2 - Duration::from_nanos(1)), []);
        assert_eq!(asked.overdue(SECOND * 2), [(a, SECOND)]);
        assert_eq!(asked.answered(a, Question::Request, SECOND), None);
        assert_eq!(asked.all(), [b]);
        assert_eq!(asked.answered(b, Question::Ping, SECOND), None);
    }

    #[test]
    fn a_number_in_use_is_not_given_again() {
        let mut asked = Asked::new(Incarnation::of(7));
        let first = asked.number();
        asked.wait(first, Question::Request, SECOND, SECOND);
        asked.counter = u32::MAX;
        assert_eq!(asked.number(), Incarnation::of(7).request(0));
        assert_eq!(asked.number(), Incarnation::of(7).request(2));
    }
}
