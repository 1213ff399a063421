//! The check of two journals: everything that was sent has come, or the sender was told what became of it.

use std::collections::{HashMap, HashSet};

use super::delivery::Disproof;
use super::journal::{End, Line, What};

/// What became of what one side sent to the other, as the journals prove it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Messages of one record that came.
    pub came: usize,
    /// Messages of one record that did not, as the sender was told.
    pub undelivered: usize,
    /// Messages in fragments that came, as the sender was told.
    pub delivered: usize,
    /// Messages in fragments of which the sender was told that they may have come or not, and those that were declined.
    pub interrupted: usize,
    /// Requests that were answered.
    pub answered: usize,
    /// Requests of which the sender was told that they are not.
    pub unanswered: usize,
    /// Messages in fragments and requests whose sender was killed before it was told.
    pub untold: usize,
}

/// Something that was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    what: What,
    life: u64,
    number: u64,
    id: u64,
    how: Option<End>,
    /// Reported as never received.
    given_up: bool,
    /// Its sender was killed.
    killed: bool,
}

/// Checks what `sender` sent to `receiver`; the journals and names are as [`check`](super::check) takes them.
///
/// This is proved: of each message of one record the receiver's journal has it, or the sender was told that it was not
/// delivered. Of each message in fragments and each request the sender was told one end, once, unless the sender was killed
/// first. What was delivered or answered is in the receiver's journal. All that is there is as it was sent, once each and
/// in order, repeats marked.
///
/// # Errors
///
/// What is not so.
pub fn check_outcomes(
    sender: &[Line],
    to: &str,
    receiver: &[Line],
    from: &str,
) -> Result<Outcomes, Disproof> {
    let received = received(receiver, from)?;
    let mut outcomes = Outcomes::default();
    for sent in sent(sender, to)? {
        // An echo is received by the one whose message it is of.
        let of_life = |(what, life, number): &(What, u64, u64)| {
            (*what, *number) == (sent.what, sent.number) && (*life == sent.life || sent.what == What::Echo)
        };
        let came = match sent.what {
            What::Echo => received.iter().any(of_life),
            what => received.contains(&(what, sent.life, sent.number)),
        };
        let counter = match (sent.what, sent.how) {
            (What::Record, None) if came => &mut outcomes.came,
            (What::Record, None) if sent.given_up => &mut outcomes.undelivered,
            (What::Large | What::Echo, Some(End::Delivered)) if came => &mut outcomes.delivered,
            (What::Large | What::Echo, Some(End::Interrupted | End::Declined)) => &mut outcomes.interrupted,
            (What::Request, Some(End::Answered)) if came => &mut outcomes.answered,
            (What::Request, Some(End::TimedOut | End::Detached | End::Interrupted | End::Declined)) => {
                &mut outcomes.unanswered
            }
            (What::Large | What::Echo | What::Request, None) if sent.killed => &mut outcomes.untold,
            _ => {
                return Err(Disproof(format!(
                    "{sent:?}: {}",
                    if came { "it came" } else { "it never came" }
                )));
            }
        };
        *counter += 1;
    }
    Ok(outcomes)
}

/// Checks what a receiver has had, whoever sent it: in order, each once, or marked as a repeat. Returns how many different
/// things that are. For where the end of a journal is lost with its machine.
///
/// # Errors
///
/// What is not so.
pub fn check_order(receiver: &[Line], from: &str) -> Result<usize, Disproof> {
    received(receiver, from).map(|received| received.len())
}

fn received(receiver: &[Line], from: &str) -> Result<HashSet<(What, u64, u64)>, Disproof> {
    let (mut received, mut last) = (HashSet::new(), HashMap::new());
    for line in receiver {
        match line {
            Line::Damaged { peer, what } if peer == from => {
                return Err(Disproof(format!("from {from}: {what}")));
            }
            Line::Received { peer, what, life, number, again } if peer == from => {
                let first = received.insert((*what, *life, *number));
                if !first && !again {
                    let twice = format!("{what:?} {number} of life {life} came twice, and not marked");
                    return Err(Disproof(twice));
                }
                // Records and large ones each come in order; requests too, and echoes as their messages came.
                if first && last.insert((*what, *life), *number).is_some_and(|last| last > *number) {
                    return Err(Disproof(format!("{what:?} {number} of life {life} came after a later one")));
                }
            }
            _ => {}
        }
    }
    Ok(received)
}

fn sent(sender: &[Line], to: &str) -> Result<Vec<Sent>, Disproof> {
    let (mut all, mut present) = (Vec::<Sent>::new(), 0);
    // What the present life has sent and has a number of its own, not a place in the ring.
    let mut open = HashMap::new();
    for line in sender {
        match line {
            Line::Start { life } => {
                present = *life;
                // The one before was killed, or it has said that it ends.
                open.drain().for_each(|(_, place): (u64, usize)| all[place].killed = true);
            }
            Line::End => open.clear(),
            Line::Sent { peer, what, number, id } if peer == to => {
                let (what, number, id) = (*what, *number, *id);
                if what != What::Record && open.insert(id, all.len()).is_some() {
                    return Err(Disproof(format!("{what:?} {number} has the number {id} of another")));
                }
                let (how, given_up, killed) = (None, false, false);
                all.push(Sent { what, life: present, number, id, how, given_up, killed });
            }
            Line::Ended { peer, id, how } if peer == to => {
                let place = open.remove(id);
                let place = place
                    .ok_or_else(|| Disproof(format!("{id} is told to be {how:?}, and is not under way")))?;
                all[place].how = Some(*how);
            }
            Line::Undelivered { peer, first, count } if peer == to => {
                give_up(&mut all, *first, *count)?;
            }
            _ => {}
        }
    }
    // A journal without an end is one of a program that was killed.
    open.into_values().for_each(|place| all[place].killed = true);
    Ok(all)
}

/// Marks `count` messages from that with the number `first` on. They were published one after the other, in the order of
/// the journal; a sender that was killed may have published one more than it noted.
fn give_up(all: &mut [Sent], first: u64, count: u64) -> Result<(), Disproof> {
    let killed =
        all.iter().filter(|sent| sent.killed).map(|sent| sent.life).collect::<HashSet<_>>().len() as u64;
    let from = all.iter().position(|sent| sent.id == first).unwrap_or(all.len());
    let of_one_record =
        all[from..].iter_mut().filter(|sent| matches!(sent.what, What::Record | What::Request));
    let mut left = count;
    for sent in of_one_record.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        sent.given_up = true;
        left -= 1;
    }
    if left > killed {
        return Err(Disproof(format!(
            "{count} messages from {first} are undelivered, and {left} of them were never sent"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Line = Line::Start { life: 1 };

    fn sent(what: What, number: u64, id: u64) -> Line {
        Line::Sent { peer: "b".to_owned(), what, number, id }
    }

    fn ended(id: u64, how: End) -> Line {
        Line::Ended { peer: "b".to_owned(), id, how }
    }

    fn came(what: What, number: u64, again: bool) -> Line {
        Line::Received { peer: "a".to_owned(), what, life: 1, number, again }
    }

    fn result(sender: &[Line], receiver: &[Line]) -> Result<Outcomes, String> {
        check_outcomes(sender, "b", receiver, "a").map_err(|error| error.to_string())
    }

    #[test]
    fn a_record_has_come_or_was_told_to_be_undelivered() {
        let (first, second) = (sent(What::Record, 0, 100), sent(What::Record, 1, 200));
        let journal = [START, first, second];
        let both = [came(What::Record, 0, false), came(What::Record, 1, false)];
        assert_eq!(result(&journal, &both).map(|outcomes| outcomes.came), Ok(2));
        assert!(result(&journal, &both[..1]).unwrap_err().contains("number: 1"));
        let told = |count, first| {
            let undelivered = Line::Undelivered { peer: "b".to_owned(), count, first };
            result(&[&journal[..], &[undelivered]].concat(), &both[..1])
        };
        assert_eq!(told(1, 200), Ok(Outcomes { came: 1, undelivered: 1, ..Outcomes::default() }));
        assert_eq!(told(2, 100), told(1, 200), "of the first in question nobody knows whether it came");
        assert!(told(1, 100).unwrap_err().contains("number: 1"));
        assert!(told(2, 200).unwrap_err().contains("1 of them were never sent"));
        assert!(told(1, 201).unwrap_err().contains("1 of them were never sent"));
    }

    #[test]
    fn what_is_larger_has_one_end() {
        let began = [START, sent(What::Large, 0, 7)];
        let after = |rest: &[Line], receiver: &[Line]| result(&[&began[..], rest].concat(), receiver);
        let there = [came(What::Large, 0, false)];
        let delivered = ended(7, End::Delivered);
        assert_eq!(after(std::slice::from_ref(&delivered), &there).map(|outcomes| outcomes.delivered), Ok(1));
        assert!(after(std::slice::from_ref(&delivered), &[]).unwrap_err().contains("it never came"));
        for receiver in [&there[..], &[]] {
            let interrupted = [ended(7, End::Interrupted)];
            assert_eq!(after(&interrupted, receiver).map(|outcomes| outcomes.interrupted), Ok(1));
            assert!(after(&[Line::End], receiver).is_err(), "it ended without a word of it");
            assert_eq!(after(&[], receiver).map(|outcomes| outcomes.untold), Ok(1), "it was killed");
            let again = [Line::Start { life: 2 }, Line::End];
            assert_eq!(after(&again, receiver).map(|outcomes| outcomes.untold), Ok(1), "it was killed");
        }
        let twice = after(&[delivered.clone(), delivered], &there);
        assert!(twice.unwrap_err().contains("not under way"));
        assert!(after(&[ended(8, End::Delivered)], &there).unwrap_err().contains("not under way"));
        assert!(after(&[ended(7, End::Answered)], &there).is_err());
    }

    #[test]
    fn requests_are_answered_or_not_and_nothing_comes_twice() {
        let journal = [
            START,
            sent(What::Request, 0, 7),
            sent(What::Request, 1, 8),
            ended(8, End::TimedOut),
            ended(7, End::Answered),
        ];
        let wanted = Outcomes { answered: 1, unanswered: 1, ..Outcomes::default() };
        assert_eq!(result(&journal, &[came(What::Request, 0, false)]), Ok(wanted));
        assert!(result(&journal, &[]).unwrap_err().contains("number: 0"));
        let again = |mark| [came(What::Request, 0, false), came(What::Request, 0, mark)];
        assert_eq!(result(&journal, &again(true)), Ok(wanted));
        let swapped = [came(What::Large, 1, false), came(What::Large, 0, false)];
        assert!(result(&journal, &swapped).unwrap_err().contains("after a later one"));
        assert!(result(&journal, &again(false)).unwrap_err().contains("came twice"));
    }
}
