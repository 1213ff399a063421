//! The check of two journals: nothing lost, order kept, repeats marked.

use std::collections::HashMap;
use std::fmt;

use super::journal::{Line, What};
use super::message::Message;

/// What journals prove of the messages from one side to the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Different messages that were received.
    pub messages: usize,
    /// How often one was received again.
    pub repeats: usize,
}

/// Why journals do not prove the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disproof(pub(crate) String);

impl fmt::Display for Disproof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Disproof {}

/// Checks what `sender` sent to `receiver`: the journals of both sides over all their lives; `to` is the receiver to the
/// sender, and `from` the sender to the receiver.
///
/// This is proved: each message that the sender noted was received, none was invented, and all came in order. A life of
/// the receiver goes on where the one before it ended, or repeats the last of what that received: all of it that was not
/// done with, where it received in batches. Every repeat is marked, and nothing else is, but for the one message that a life
/// may have received and not noted any more.
///
/// # Errors
///
/// What is not so.
pub fn check(sender: &[Line], to: &str, receiver: &[Line], from: &str) -> Result<Delivery, Disproof> {
    let (sent, lives) = sent(sender, to)?;
    let in_batches = receiver.contains(&Line::Done);
    let mut received = Received { lives, in_batches, ..Received::default() };
    for line in receiver {
        match line {
            Line::Start { .. } => received.start(),
            Line::Damaged { peer, what } if peer == from => {
                return Err(Disproof(format!("from {from}: {what}")));
            }
            Line::Received { peer, what: What::Record, life, number, again } if peer == from => {
                received.take(Message { life: *life, number: *number }, *again)?;
            }
            Line::Done => received.open = None,
            _ => {}
        }
    }
    if let Some(lost) = sent.iter().find(|message| !received.places.contains_key(message)) {
        let (messages, last) = (received.order.len(), received.order.last());
        return Err(Disproof(format!(
            "{lost:?} of {} never came, but {messages} with {last:?} last",
            sent.len()
        )));
    }
    Ok(Delivery { messages: received.order.len(), repeats: received.repeats })
}

/// The messages noted as sent, and the sender's lives by age.
fn sent(sender: &[Line], to: &str) -> Result<(Vec<Message>, HashMap<u64, usize>), Disproof> {
    let (mut sent, mut lives, mut present) = (Vec::new(), HashMap::new(), None);
    for line in sender {
        match line {
            Line::Start { life } => {
                present = Some(*life);
                lives.insert(*life, lives.len());
            }
            Line::Sent { peer, what: What::Record, number, .. } if peer == to => {
                let life = present.ok_or_else(|| Disproof("the sender's journal has no start".to_owned()))?;
                sent.push(Message { life, number: *number });
            }
            _ => {}
        }
    }
    Ok((sent, lives))
}

/// What a receiver has had so far.
#[derive(Debug, Default)]
struct Received {
    /// The sender's lives by age.
    lives: HashMap<u64, usize>,
    /// Every message in the order of its first receipt, and its place there.
    order: Vec<Message>,
    places: HashMap<Message, usize>,
    repeats: usize,
    /// Messages received by earlier lives; `None` in the first.
    before: Option<usize>,
    started: bool,
    in_batches: bool,
    /// The place of the first message that is not done with.
    open: Option<usize>,
    /// That of the life before: from there at the latest all is to come again.
    left_open: Option<usize>,
    /// The place that the next message must have, once this life has had one.
    next: Option<usize>,
}

impl Received {
    /// A life of the receiver begins.
    fn start(&mut self) {
        self.before = self.started.then_some(self.order.len());
        self.started = true;
        self.next = None;
        // A life that had nothing before it ended left that of the one before it.
        self.left_open = self.open.take().or(self.left_open);
    }

    fn take(&mut self, message: Message, again: bool) -> Result<(), Disproof> {
        if !self.lives.contains_key(&message.life) {
            return Err(Disproof(format!("{message:?} is of no life of the sender")));
        }
        let last = self.order.last().copied();
        let place = match self.places.get(&message) {
            Some(&place) => place,
            None if last.is_none_or(|last| self.follows(last, message)) => {
                self.places.insert(message, self.order.len());
                self.order.push(message);
                self.order.len() - 1
            }
            None => return Err(Disproof(format!("{message:?} came where {last:?} was the last"))),
        };
        if let Some(next) = self.next.filter(|&next| next != place) {
            return Err(Disproof(format!(
                "{message:?} came again where {:?} was next",
                self.order.get(next)
            )));
        }
        self.next = Some(place + 1);
        self.open.get_or_insert(place);
        if let Some(open) = self.left_open.take().filter(|_| self.in_batches).filter(|&open| open < place) {
            return Err(Disproof(format!(
                "{:?} was not done with, and did not come again",
                self.order[open]
            )));
        }
        let noted_before = self.before.is_some_and(|before| place < before);
        let may_be_received_before = self.before.is_some_and(|before| place <= before);
        self.repeats += usize::from(noted_before);
        match again {
            true if !may_be_received_before => {
                Err(Disproof(format!("{message:?} is marked, and is no repeat")))
            }
            false if noted_before => Err(Disproof(format!("{message:?} is a repeat, and not marked"))),
            _ => Ok(()),
        }
    }

    /// Whether `message` is the next after `last`: the next number, or the first of a later life.
    fn follows(&self, last: Message, message: Message) -> bool {
        let (age, last_age) = (self.lives.get(&message.life), self.lives.get(&last.life));
        (message.life == last.life && message.number == last.number + 1)
            || (message.number == 0 && last_age < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(life: u64) -> Line {
        Line::Start { life }
    }

    fn sent(numbers: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Line> {
        numbers.into_iter().map(|number| Line::Sent {
            peer: "b".to_owned(),
            what: What::Record,
            number,
            id: number,
        })
    }

    fn came(life: u64, numbers: impl IntoIterator<Item = u64>, again: bool) -> impl Iterator<Item = Line> {
        numbers.into_iter().map(move |number| Line::Received {
            peer: "a".to_owned(),
            what: What::Record,
            life,
            number,
            again,
        })
    }

    fn journal(parts: impl IntoIterator<Item = Vec<Line>>) -> Vec<Line> {
        parts.into_iter().flatten().collect()
    }

    fn result(sender: &[Line], receiver: &[Line]) -> Result<(usize, usize), String> {
        check(sender, "b", receiver, "a")
            .map(|proof| (proof.messages, proof.repeats))
            .map_err(|e| e.to_string())
    }

    fn sender() -> Vec<Line> {
        journal([vec![start(1)], sent(0..10).collect(), vec![start(2)], sent(0..10).collect()])
    }

    fn received(parts: impl IntoIterator<Item = Vec<Line>>) -> Result<(usize, usize), String> {
        result(&sender(), &journal(parts))
    }

    #[test]
    fn all_in_order_is_proof() {
        let all = [vec![start(9)], came(1, 0..10, false).collect(), came(2, 0..10, false).collect()];
        assert_eq!(received(all), Ok((20, 0)));
    }

    #[test]
    fn a_message_published_and_not_noted_is_fine() {
        let all = [vec![start(9)], came(1, 0..11, false).collect(), came(2, 0..11, false).collect()];
        assert_eq!(received(all), Ok((22, 0)));
    }

    #[test]
    fn a_message_that_a_restart_swallows_is_missed() {
        let first = || vec![start(9)];
        let gap = [first(), came(1, 0..5, false).collect(), came(1, 6..10, false).collect()];
        assert!(received(gap).unwrap_err().contains("number: 6 } came where"));
        let lost_at_restart = [
            first(),
            came(1, 0..5, false).collect(),
            vec![start(10)],
            came(1, 6..10, true).collect(),
            came(2, 0..10, false).collect(),
        ];
        assert!(received(lost_at_restart).unwrap_err().contains("number: 6 } came where"));
        let lost_at_the_senders_restart =
            [first(), came(1, 0..9, false).collect(), came(2, 0..10, false).collect()];
        assert!(received(lost_at_the_senders_restart).unwrap_err().contains("number: 9 } of 20 never came"));
        let end = [first(), came(1, 0..10, false).collect(), came(2, 0..9, false).collect()];
        assert!(received(end).unwrap_err().contains("never came"));
    }

    #[test]
    fn repeats_are_marked_and_in_order() {
        let restarted = |repeats: Vec<Line>, rest: Vec<Line>| {
            let begin = came(1, 0..5, false).collect();
            received([vec![start(9)], begin, vec![start(10)], repeats, rest, came(2, 0..10, false).collect()])
        };
        let rest = |from| came(1, from..10, false).collect::<Vec<_>>();
        assert_eq!(restarted(came(1, 3..5, true).collect(), rest(5)), Ok((20, 2)));
        // The sixth was handed over, and the life ended before it noted that.
        assert_eq!(restarted(came(1, 3..6, true).collect(), rest(6)), Ok((20, 2)));
        assert_eq!(restarted(came(1, 5..6, true).collect(), rest(6)), Ok((20, 0)));
        assert!(restarted(came(1, 3..5, false).collect(), rest(5)).unwrap_err().contains("not marked"));
        assert!(restarted(came(1, 3..7, true).collect(), rest(7)).unwrap_err().contains("no repeat"));
        assert!(restarted(came(1, [3, 3], true).collect(), rest(5)).unwrap_err().contains("came again"));
        assert!(restarted(came(1, [2, 4], true).collect(), rest(5)).unwrap_err().contains("came again"));
        assert!(restarted(came(1, [2, 3], true).collect(), rest(5)).unwrap_err().contains("came again"));
    }

    #[test]
    fn nothing_is_marked_or_repeated_without_a_restart() {
        let marked = [vec![start(9)], came(1, 0..1, true).collect()];
        assert!(received(marked).unwrap_err().contains("no repeat"));
        let twice = [vec![start(9)], came(1, 0..5, false).collect(), came(1, 4..5, true).collect()];
        assert!(received(twice).unwrap_err().contains("came again"));
    }

    #[test]
    fn a_batch_that_was_not_done_with_comes_again_whole() {
        let restarted = |repeats: Vec<Line>| {
            let begin = [came(1, 0..3, false).collect(), vec![Line::Done], came(1, 3..6, false).collect()];
            let nothing = vec![start(10)];
            let rest = [came(1, 6..10, false).collect(), came(2, 0..10, false).collect()];
            let lives = [vec![start(9)], begin.concat(), nothing, vec![start(11)], repeats];
            received(lives.into_iter().chain(rest))
        };
        assert_eq!(restarted(came(1, 3..6, true).collect()), Ok((20, 3)));
        assert_eq!(restarted(came(1, 1..6, true).collect()), Ok((20, 5)));
        assert!(
            restarted(came(1, 4..6, true).collect()).unwrap_err().contains("number: 3 } was not done with")
        );
        assert!(restarted(vec![]).unwrap_err().contains("number: 3 } was not done with"));
    }

    #[test]
    fn strangers_and_damage_are_disproof() {
        let other_life = [vec![start(9)], came(1, 0..10, false).collect(), came(3, 0..1, false).collect()];
        assert!(received(other_life).is_err());
        let damaged = vec![start(9), Line::Damaged { peer: "a".into(), what: "wrong from byte 7".into() }];
        assert_eq!(received([damaged]), Err("from a: wrong from byte 7".to_owned()));
        // Other peers' lines are other proofs'.
        let of_others = vec![start(9), Line::Damaged { peer: "c".into(), what: String::new() }];
        let all = [of_others, came(1, 0..10, false).collect(), came(2, 0..10, false).collect()];
        assert_eq!(received(all), Ok((20, 0)));
    }
}
