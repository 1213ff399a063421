//! What is done to the witnesses in one round.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::Signal;

use super::Stop;
use super::troupe::{GUESTS, HOST, Troupe};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// One is killed and started again.
    Kill,
    /// One is killed, and its successors too, while they take over.
    KillAgain,
    /// One is killed, and the other side's program while the successor joins or takes over.
    KillTheOther,
    /// Both sides are killed, and started in any order.
    KillBoth,
    /// One is killed while the other side is stopped, and is back before that goes on.
    KillUnseen,
    /// One is stopped for a while.
    Stop,
    /// One is stopped for a while, and killed as it goes on.
    StopAndKill,
    /// One is stopped, another takes its place, and then it goes on.
    Double,
}

/// Each kind of round as often as it comes in a hundred.
const MIX: [(Round, u64); 8] = [
    (Round::Kill, 34),
    (Round::KillAgain, 14),
    (Round::KillTheOther, 12),
    (Round::KillBoth, 8),
    (Round::KillUnseen, 10),
    (Round::Stop, 6),
    (Round::StopAndKill, 12),
    (Round::Double, 4),
];

/// How long they go on before something happens, at most.
const BEFORE: Duration = Duration::from_millis(4);
/// How long somebody is stopped, at most.
const STOPPED: Duration = Duration::from_millis(30);
/// How long a successor has, at most, before it is killed too: longer than a start and a join take.
const SUCCESSOR: Duration = Duration::from_millis(15);

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "killed",
            Self::KillAgain => "killed, and its successors",
            Self::KillTheOther => "killed, and then the other side",
            Self::KillBoth => "both killed",
            Self::KillUnseen => "killed unseen",
            Self::Stop => "stopped",
            Self::StopAndKill => "stopped and killed",
            Self::Double => "doubled",
        })
    }
}

impl Round {
    /// One of them.
    pub(super) fn draw(dice: &mut Rng) -> Self {
        let mut left = dice.u64(0..(MIX.iter().map(|(_, times)| times).sum()));
        for (round, times) in MIX {
            match left.checked_sub(times) {
                Some(rest) => left = rest,
                None => return round,
            }
        }
        Self::Kill
    }

    /// Does it, and waits until messages flow again.
    pub(super) fn happen(self, troupe: &mut Troupe<'_>, dice: &mut Rng) -> Result<(), Stop> {
        let guest = GUESTS[dice.usize(0..GUESTS.len())];
        let (one, other) = if dice.u64(0..2) == 0 { (HOST, guest) } else { (guest, HOST) };
        Troupe::go_on(dice, BEFORE);
        match self {
            Self::Kill => {
                troupe.kill(one)?;
                troupe.start(one, dice)?;
            }
            Self::KillAgain => {
                for _ in 0..=dice.u64(0..3) {
                    troupe.kill(one)?;
                    troupe.start(one, dice)?;
                    Troupe::go_on(dice, SUCCESSOR);
                }
                troupe.kill(one)?;
                troupe.start(one, dice)?;
            }
            Self::KillTheOther => {
                troupe.kill(one)?;
                troupe.start(one, dice)?;
                Troupe::go_on(dice, SUCCESSOR);
                troupe.kill(other)?;
                troupe.start(other, dice)?;
            }
            Self::KillBoth => {
                troupe.kill(one)?;
                troupe.kill(other)?;
                troupe.start(one, dice)?;
                Troupe::go_on(dice, BEFORE);
                troupe.start(other, dice)?;
            }
            Self::KillUnseen => {
                troupe.signal(other, Signal::SIGSTOP)?;
                Troupe::go_on(dice, BEFORE);
                troupe.kill(one)?;
                troupe.start(one, dice)?;
                Troupe::go_on(dice, SUCCESSOR);
                troupe.signal(other, Signal::SIGCONT)?;
            }
            Self::Stop => {
                troupe.signal(one, Signal::SIGSTOP)?;
                Troupe::go_on(dice, STOPPED);
                troupe.signal(one, Signal::SIGCONT)?;
            }
            Self::StopAndKill => {
                troupe.signal(one, Signal::SIGSTOP)?;
                Troupe::go_on(dice, STOPPED);
                troupe.signal(one, Signal::SIGCONT)?;
                Troupe::go_on(dice, BEFORE);
                troupe.kill(one)?;
                troupe.start(one, dice)?;
            }
            Self::Double => troupe.double(dice)?,
        }
        troupe.until_it_flows()
    }
}
