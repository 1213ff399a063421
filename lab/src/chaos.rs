//! Programs killed at any time, over and over, while witnesses talk: `cargo lab chaos`.
//!
//! | file | what |
//! | --- | --- |
//! | `member` | a witness, life after life, and what it has noted |
//! | `troupe` | the host and its guests, and the check of their journals |
//! | `round` | what is done to them |

mod member;
mod round;
mod troupe;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::witness::Disproof;
use crate::{Error, Lab};
use round::Round;
use troupe::{Proof, Troupe};

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the journals are read while something is awaited.
const POLL: Duration = Duration::from_millis(1);
/// Rounds between two checks of the journals.
const ACT: u64 = 100;

/// What `chaos` is to do.
#[derive(Debug, Clone, Copy)]
pub struct Chaos {
    /// How many rounds.
    pub rounds: u64,
    /// The seed of what is done to whom; one from the kernel without.
    pub seed: Option<u64>,
}

/// What it came to.
#[derive(Debug, Clone, Default)]
pub struct Chaotic {
    rounds: u64,
    proof: Proof,
}

impl fmt::Display for Chaotic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, proof } = self;
        write!(f, "{rounds} rounds, 0 lost, 0 reordered, {} repeats, all marked", proof.repeats)
    }
}

/// Kills, stops and starts programs at random, and checks from time to time what their journals prove.
///
/// Returns at the first check that disproves the promise, with the seed and where the journals are.
///
/// # Errors
///
/// [`Error::Io`] if something cannot be started or written, [`Error::Failed`] if a program ends by itself, or messages do
/// not flow again.
pub fn chaos(what: &Chaos) -> Result<Result<Chaotic, Disproof>, Error> {
    let seed =
        what.seed.map_or_else(|| Dice::seed().map_err(Error::io("cannot read a random number")), Ok)?;
    eprintln!("seed {seed}");
    let lab = Lab::without_guests("chaos")?;
    let region = lab.region("8M".parse().expect("8M is a power of two"))?;
    let mut dice = Dice::new(seed);
    let mut troupe = Troupe::new(&lab, &region.path());
    let (mut total, mut kinds) = (Chaotic::default(), BTreeMap::new());
    let evidence = |error: Error| {
        Error::Failed(format!("{error}; seed {seed}; the journals are in {}", lab.logs().display()))
    };
    let mut act = 0;
    while total.rounds < what.rounds {
        let begun = Instant::now();
        let rounds = ACT.min(what.rounds - total.rounds);
        troupe.begin(act, &mut dice).map_err(evidence)?;
        for _ in 0..rounds {
            let round = Round::draw(&mut dice);
            *kinds.entry(format!("{round:?}")).or_insert(0_u64) += 1;
            round
                .happen(&mut troupe, &mut dice)
                .map_err(|error| evidence(Error::Failed(format!("{round:?}: {error}"))))?;
        }
        let proof = match troupe.end().map_err(evidence)? {
            Ok(proof) => proof,
            Err(wrong) => return Ok(Err(Disproof(evidence(Error::Failed(wrong.to_string())).to_string()))),
        };
        total.rounds += rounds;
        total.proof.messages += proof.messages;
        total.proof.repeats += proof.repeats;
        total.proof.large += proof.large;
        act += 1;
        let span = begun.elapsed().as_millis() / u128::from(rounds);
        eprintln!(
            "{} of {} rounds: {} messages, {} in fragments, {} repeats; {span} ms a round",
            total.rounds, what.rounds, total.proof.messages, total.proof.large, total.proof.repeats
        );
    }
    eprintln!("{kinds:?}");
    Ok(Ok(total))
}
