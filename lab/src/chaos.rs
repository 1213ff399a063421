//! Programs killed at any time, over and over, while others talk: `cargo lab chaos`.
//!
//! | file | what |
//! | --- | --- |
//! | `member` | a witness, life after life, and what it has noted |
//! | `troupe` | the host and its guests, and the check of their journals |
//! | `machine` | a guest that is a machine |
//! | `round` | what is done to them |
//! | `service` | a daemon and its agents, and what is done to those |

mod machine;
mod member;
mod round;
mod service;
mod troupe;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::witness::Disproof;
use crate::{Artifacts, Consent, Error, Lab, build_witness, prepare};
use round::Round;
use service::Services;
use troupe::{Proof, Troupe};

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the journals are read while something is awaited.
const POLL: Duration = Duration::from_millis(1);
/// Rounds between two checks of the journals.
const ACT: u64 = 100;
/// So many rounds of a hundred are the daemon's and its agents'.
const SERVICE_ROUNDS: u64 = 10;
/// At most so many rounds of an act are the machine's, and one at least: each takes seconds.
const MACHINE_ROUNDS: u64 = 2;

/// What `chaos` is to do.
#[derive(Debug)]
pub struct Chaos {
    /// How many rounds.
    pub rounds: u64,
    /// The seed of what is done to whom; one from the kernel without.
    pub seed: Option<u64>,
    /// Whether one of the guests is a machine; and whether what that needs may be installed.
    pub machine: Option<Consent>,
}

/// What it came to.
#[derive(Debug, Clone, Default)]
pub struct Chaotic {
    rounds: u64,
    repeats: usize,
    messages: usize,
    large: usize,
    /// How often each kind of round was done.
    kinds: BTreeMap<String, u64>,
}

impl fmt::Display for Chaotic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, repeats, .. } = self;
        write!(f, "{rounds} rounds, 0 lost, 0 reordered, {repeats} repeats, all marked")
    }
}

/// Why it did not come to its end.
enum Stop {
    Disproved(Disproof),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Disproof> for Stop {
    fn from(wrong: Disproof) -> Self {
        Self::Disproved(wrong)
    }
}

/// Kills, stops and starts programs at random, and checks from time to time what their journals prove.
///
/// Returns at the first check that disproves the promise, with the seed and where the journals are.
///
/// # Errors
///
/// [`Error::Refused`] if there is to be a machine and something for it is missing, [`Error::Io`] if something cannot be started
/// or written, [`Error::Failed`] if a program ends by itself or messages do not flow again.
pub fn chaos(what: Chaos) -> Result<Result<Chaotic, Disproof>, Error> {
    let seed = what.seed.unwrap_or_else(|| fastrand::u64(..));
    let programs = Artifacts::build()?;
    let lab = match what.machine {
        None => {
            eprintln!("processes of this host; --vm has a virtual machine among them");
            Lab::without_guests("chaos")?
        }
        Some(consent) => Lab::new("chaos", &prepare(None, consent)?, &[&build_witness()?])?,
    };
    eprintln!("seed {seed}");
    let evidence = |wrong: &dyn fmt::Display| {
        format!("{wrong}; seed {seed}; the journals are in {}", lab.logs().display())
    };
    match play(&lab, &programs, what.rounds, Rng::with_seed(seed)) {
        Ok(proof) => Ok(Ok(proof)),
        Err(Stop::Disproved(wrong)) => Ok(Err(Disproof(evidence(&wrong)))),
        Err(Stop::Failed(error)) => Err(Error::Failed(evidence(&error))),
    }
}

fn play(lab: &Lab, programs: &Artifacts, rounds: u64, mut dice: Rng) -> Result<Chaotic, Stop> {
    let region = || lab.region("8M".parse().expect("8M is a power of two"));
    let (shared, of_services) = (region()?, region()?);
    let mut troupe = Troupe::new(lab, &shared.path());
    if lab.accelerator().is_some() {
        troupe.boot(lab, &shared)?;
    }
    let mut services = Services::start(lab, programs, &of_services.path())?;
    let mut total = Chaotic::default();
    for act in 0.. {
        let count = ACT.min(rounds - total.rounds);
        if count == 0 {
            break;
        }
        let begun = Instant::now();
        troupe.begin(act, &mut dice)?;
        let shaken: Vec<_> = (0..=dice.u64(0..MACHINE_ROUNDS)).map(|_| dice.u64(0..count)).collect();
        for round in 0..count {
            let kind = if troupe.has_machine() && shaken.contains(&round) {
                troupe.shake_the_machine(&mut dice)?.to_owned()
            } else if dice.u64(0..100) < SERVICE_ROUNDS {
                services.round(&mut dice)?
            } else {
                let round = Round::draw(&mut dice);
                round.happen(&mut troupe, &mut dice)?;
                round.to_string()
            };
            *total.kinds.entry(kind).or_default() += 1;
        }
        let Proof { messages, repeats, large } = troupe.end()?;
        total.rounds += count;
        total.messages += messages;
        total.repeats += repeats;
        total.large += large;
        let span = begun.elapsed().as_millis() / u128::from(count);
        eprintln!(
            "{} of {rounds} rounds, {messages} messages, {repeats} repeats, {span} ms a round",
            total.rounds
        );
    }
    total.messages += services.heard;
    total.repeats += services.repeats;
    let kinds: Vec<_> = total.kinds.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
    eprintln!("{} messages, {} in fragments; {}", total.messages, total.large, kinds.join(", "));
    Ok(total)
}
