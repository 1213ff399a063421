//! A process killed before each of its stores, and what those find who go on: `cargo lab kill-every-store`.
//!
//! A play begins with a host and two guests on a small region. One of the three is a process of its own, the actor; it
//! does what `ivring_host::Host` or `ivring_guest::Guest` does, by the protocol crate's own source, on a mapping that ends
//! the process by SIGKILL before its store number 0, then 1, then 2, until it comes to the end of the play. Each time another
//! process takes over. Everybody goes round a loop in turns, by a clock that the stage moves on, so that waiting takes no
//! time; the stores themselves, the death and the file are real.
//!
//! | file | what |
//! | --- | --- |
//! | `mortal` | the memory that kills its process |
//! | `order` | what an actor is told to do, and what it tells |
//! | `party`, `host`, `guest` | those who take part |
//! | `actor` | the process that dies |
//! | `stage` | the region, the actor and the others |
//! | `plays` | what happens |
//! | `verdict` | what the journals prove |

mod actor;
mod guest;
mod host;
mod mortal;
mod order;
mod party;
mod plays;
mod stage;
mod verdict;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::Path;

pub use actor::act;
pub use order::Withheld;

use crate::witness::Disproof;
use crate::{Error, Lab};
use order::{Order, Role};
use plays::Play;
use stage::{Stage, Stop};

/// What `kill-every-store` is to do.
#[derive(Debug, Clone, Default)]
pub struct KillEveryStore {
    /// Play only those whose names hold this.
    pub only: Option<String>,
    /// Kill before every so manieth store.
    pub every: u64,
    /// Words that the actor never stores, to see that this is noticed.
    pub withheld: Option<Withheld>,
}

/// What it came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deaths {
    /// How often an actor was killed.
    pub deaths: u64,
    /// Before stores to how many words of the region.
    pub places: usize,
    /// Messages that were received again, each of them marked.
    pub repeats: usize,
}

impl fmt::Display for Deaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deaths, places, repeats, .. } = self;
        write!(f, "{deaths} deaths at {places} places: 0 lost, 0 reordered, {repeats} repeats, all marked")
    }
}

/// Plays every play, over and over, until an actor has died before each of its stores.
///
/// Returns at the first play that disproves the promise: with its name, the store, what is wrong and where the journals are.
///
/// # Errors
///
/// [`Error::Io`] if the region cannot be made or an actor not started.
pub fn kill_every_store(what: &KillEveryStore) -> Result<Result<Deaths, Disproof>, Error> {
    let lab = Lab::without_guests("kill-every-store")?;
    let region = lab.region("1M".parse().expect("1M is a power of two"))?;
    let mut stage = Stage::new(Path::new(&region.path()), lab.keeper(), what.withheld)?;
    let (mut total, mut places) = (Deaths::default(), HashSet::new());
    for play in plays::all() {
        if what.only.as_ref().is_some_and(|only| !play.name.contains(only)) {
            continue;
        }
        let before = total;
        if let Err(wrong) = play_to_the_end(&play, &mut stage, what.every, (&mut total, &mut places)) {
            return Ok(Err(keep_evidence(&lab, &play, &stage, &wrong)));
        }
        let (deaths, repeats) = (total.deaths - before.deaths, total.repeats - before.repeats);
        eprintln!("{}: {deaths} deaths, {repeats} repeats", play.name);
    }
    total.places = places.len();
    Ok(Ok(total))
}

/// Plays it again and again, each time with a later death, until nobody dies.
fn play_to_the_end(
    play: &Play,
    stage: &mut Stage<'_>,
    every: u64,
    (total, places): (&mut Deaths, &mut HashSet<u64>),
) -> Result<(), String> {
    let mut death = 0;
    loop {
        let once = |stage: &mut Stage<'_>| {
            stage.clear(play.subject, death)?;
            let died = match play.play(stage) {
                Ok(()) => None,
                Err(Stop::Died { at }) => Some(at),
                Err(failed) => return Err(failed),
            };
            if died.is_some() && play.with_the_guest {
                stage.vanish(Role::Guest(0))?;
            }
            heal(stage, play)?;
            Ok(died)
        };
        let died = match once(stage) {
            Ok(died) => died,
            Err(Stop::Failed(wrong)) => return Err(format!("killed before store {death}: {wrong}")),
            Err(Stop::Died { at }) => return Err(format!("killed before store {death}: died again at {at}")),
        };
        total.repeats += verdict::judge(stage.journals(), play.subject, play.ends)?;
        let Some(at) = died else { return Ok(()) };
        total.deaths += 1;
        places.insert(at);
        death += play.stride * every;
    }
}

/// Somebody takes over, all speak with each other once more, and the journals prove that nothing is missing.
fn heal(stage: &mut Stage<'_>, play: &Play) -> Result<(), Stop> {
    stage.spare()?;
    for role in Role::ALL {
        if !stage.is_there(role) {
            stage.begin(role)?;
        }
    }
    stage.until_attached()?;
    for guest in [Role::Guest(0), Role::Guest(1)] {
        for (from, to) in [(guest, Role::Host), (Role::Host, guest)] {
            let lengths = vec![24, 60];
            stage.order(from, &Order::Say { to, lengths })?;
        }
    }
    stage.until(|stage| Ok(verdict::judge(stage.journals(), stage.subject(), play.ends).map(drop)))
}

/// Writes the journals down, and says where.
fn keep_evidence(lab: &Lab, play: &Play, stage: &Stage<'_>, wrong: &str) -> Disproof {
    let file = lab.logs().join("journals");
    let mut text = format!("{}: {wrong}\n", play.name);
    for (role, journal) in Role::ALL.iter().zip(stage.journals()) {
        text += &format!("\n{}\n", role.name());
        journal.iter().for_each(|line| text += &format!("{line:?}\n"));
    }
    let kept = match fs::write(&file, text) {
        Ok(()) => format!("the journals are in {}", file.display()),
        Err(error) => format!("the journals could not be kept: {error}"),
    };
    Disproof(format!("{}: {wrong}; {kept}", play.name))
}
