//! A guest that writes where it must not: what an attacker in a guest can do with the memory it sees.
//!
//! `ivring-scribbler` runs in a guest, or as a process of the host, and writes garbage for a while: noise, and much that is
//! nearly right. Storms of it alternate with quiet, in which sessions begin that the next storm then hits.

mod garbage;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ivring_proto::layout::{Geometry, read_superblock};
use ivring_proto::memory::Memory;
use serde::{Deserialize, Serialize};

use crate::Error;
pub use garbage::Garbage;

/// The longest storm.
const STORM: Duration = Duration::from_millis(300);
/// The longest quiet: a session that ended by a fault is asked for again after a second.
const QUIET: Duration = Duration::from_millis(2500);
/// How often the region is looked for while no host has formatted it.
const POLL: Duration = Duration::from_millis(10);

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scribbled {
    /// Storms.
    pub storms: u64,
    /// Pieces of garbage, by their kind.
    pub pieces: BTreeMap<Garbage, u64>,
    /// Words in them.
    pub words: u64,
}

impl Scribbled {
    /// Pieces of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.pieces.values().sum()
    }
}

/// Writes garbage over the region in `memory` for `span`; the same seed gives the same garbage, as far as it does not
/// depend on what is there. Waits for a host to format the region first, that it knows what to aim at.
///
/// # Errors
///
/// [`Error::Failed`] if there is no region within `span`.
pub fn scribble(memory: &impl Memory, seed: u64, span: Duration) -> Result<Scribbled, Error> {
    let deadline = Instant::now() + span;
    let geometry = geometry(memory, deadline)?;
    let mut random = Rng::with_seed(seed);
    let mut scribbled = Scribbled::default();
    let mut kept = garbage::Kept::default();
    while Instant::now() < deadline {
        // A storm keeps to a few kinds: all of them at once would seldom let one have its effect.
        let kinds: [Garbage; 2] = std::array::from_fn(|_| Garbage::any(&mut random));
        let end = (Instant::now() + up_to(STORM, &mut random)).min(deadline);
        let pause = Duration::from_micros(random.u64(0..2000));
        scribbled.storms += 1;
        while Instant::now() < end {
            for _ in 0..random.u32(1..200) {
                let kind = kinds[random.usize(0..kinds.len())];
                scribbled.words += kind.write(memory, &geometry, &mut kept, &mut random);
                *scribbled.pieces.entry(kind).or_default() += 1;
            }
            thread::sleep(pause);
        }
        thread::sleep(up_to(QUIET, &mut random).min(deadline.saturating_duration_since(Instant::now())));
    }
    Ok(scribbled)
}

fn geometry(memory: &impl Memory, deadline: Instant) -> Result<Geometry, Error> {
    loop {
        match read_superblock(memory) {
            Ok(superblock) => return Ok(superblock.geometry),
            Err(error) if Instant::now() >= deadline => {
                return Err(Error::Failed(format!("there is no region to write on: {error}")));
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

fn up_to(longest: Duration, random: &mut Rng) -> Duration {
    longest.mul_f64(random.f64())
}
