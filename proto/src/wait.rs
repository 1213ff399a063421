//! How a poller waits: it spins, then gives way to other threads, then sleeps, longer and longer up to a cap.
//!
//! One ladder for every loop that polls a region. It counts rounds and reads no clock, which a guest may have to leave
//! the processor for.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crossbeam_utils::Backoff;

/// What a poller prefers while nothing happens: a short delay or an idle processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Spins for milliseconds and then never sleeps longer than 50 microseconds: for a processor of its own.
    Latency,
    /// Spins for about as long as a sleep costs, then sleeps up to 4 milliseconds. At that rate a machine is
    /// idle to 99 % where a wake-up takes up to 40 microseconds of the processor; with an emulated processor it takes more.
    #[default]
    Balanced,
    /// Hardly spins, then sleeps up to 20 milliseconds: for machines with more guests than processors.
    Power,
}

/// The rungs of one profile.
#[derive(Debug, Clone, Copy)]
struct Rungs {
    /// Rounds with one PAUSE each.
    spins: u32,
    /// Rounds that give way.
    yields: u32,
    /// First sleep.
    first: Duration,
    /// Longest sleep.
    cap: Duration,
}

impl Profile {
    /// Every profile, the quickest first.
    pub const ALL: [Profile; 3] = [Profile::Latency, Profile::Balanced, Profile::Power];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Latency => "latency",
            Profile::Balanced => "balanced",
            Profile::Power => "power",
        }
    }

    /// The longest sleep, and so the longest that a message waits for a poller that had nothing to do. The kernel adds
    /// what a wake-up takes on that machine.
    pub const fn cap(self) -> Duration {
        self.rungs().cap
    }

    const fn rungs(self) -> Rungs {
        match self {
            Profile::Latency => Rungs {
                spins: 50_000,
                yields: 5_000,
                first: Duration::from_micros(10),
                cap: Duration::from_micros(50),
            },
            Profile::Balanced => Rungs {
                spins: 500,
                yields: 50,
                first: Duration::from_micros(50),
                cap: Duration::from_millis(4),
            },
            Profile::Power => Rungs {
                spins: 20,
                yields: 5,
                first: Duration::from_micros(100),
                cap: Duration::from_millis(20),
            },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("profiles are latency, balanced and power")]
pub struct UnknownProfile;

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(UnknownProfile)
    }
}

/// What [`Ladder::idle`] did, or asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It has paused the processor for an instant: poll again.
    Spin,
    /// It has let other threads run: poll again.
    Yield,
    /// The caller is to sleep for this long, on whatever else can wake it (sockets, signals), then poll again.
    Sleep(Duration),
}

/// One poller's place on the ladder.
///
/// ```
/// use ivring_proto::wait::{Ladder, Profile, Step};
///
/// let mut ladder = Ladder::new(Profile::Balanced);
/// let mut found = false;
/// while !found {
///     match ladder.idle() {
///         Step::Spin | Step::Yield => {}
///         Step::Sleep(time) => std::thread::sleep(time),
///     }
///     found = true; // poll the rings here
/// }
/// ladder.reset();
/// ```
#[derive(Debug)]
pub struct Ladder {
    rungs: Rungs,
    round: u32,
    backoff: Backoff,
    sleep: Duration,
}

impl Ladder {
    /// A ladder at its lowest rung.
    pub fn new(profile: Profile) -> Self {
        let rungs = profile.rungs();
        Self { rungs, round: 0, backoff: Backoff::new(), sleep: rungs.first }
    }

    /// Back to spinning: there was something to do.
    pub fn reset(&mut self) {
        self.round = 0;
        self.backoff.reset();
        self.sleep = self.rungs.first;
    }

    /// There was nothing to do: spins or yields, or says how long to sleep. It never sleeps itself.
    pub fn idle(&mut self) -> Step {
        if self.round < self.rungs.spins {
            self.round += 1;
            // One PAUSE a round keeps the delay of a poll small; a growing pause would double what is waited.
            core::hint::spin_loop();
            return Step::Spin;
        }
        if self.round < self.rungs.spins + self.rungs.yields {
            self.round += 1;
            // Pauses of growing length, then `sched_yield`.
            self.backoff.snooze();
            return Step::Yield;
        }
        let sleep = self.sleep;
        // A sixteenth more each time: the sleeps so far sum up to about sixteen times the next one, so a message that
        // ends a silence waits at most a sixteenth as long as the silence lasted.
        self.sleep = (sleep + sleep / 16).min(self.rungs.cap);
        Step::Sleep(sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Climbs from the lowest rung to `sleeps` sleeps; returns the numbers of spins and yields, and the sleeps.
    fn climb(ladder: &mut Ladder, sleeps: usize) -> (u32, u32, Vec<Duration>) {
        let (mut spins, mut yields, mut slept) = (0, 0, Vec::new());
        while slept.len() < sleeps {
            match ladder.idle() {
                Step::Spin => {
                    assert_eq!((yields, slept.len()), (0, 0), "a spin above its rung");
                    spins += 1;
                }
                Step::Yield => {
                    assert_eq!(slept.len(), 0, "a yield above its rung");
                    yields += 1;
                }
                Step::Sleep(time) => slept.push(time),
            }
        }
        (spins, yields, slept)
    }

    #[test]
    fn every_profile_climbs_to_its_cap_and_stays() {
        for profile in Profile::ALL {
            let rungs = profile.rungs();
            let (spins, yields, slept) = climb(&mut Ladder::new(profile), 200);
            assert_eq!((spins, yields), (rungs.spins, rungs.yields));
            assert_eq!(slept[0], rungs.first);
            assert!(slept.windows(2).all(|pair| pair[0] <= pair[1]), "{slept:?}");
            assert_eq!(slept[199], profile.cap());
        }
    }

    #[test]
    fn a_sleep_is_short_beside_the_silence_before_it() {
        for profile in Profile::ALL {
            let (_, _, slept) = climb(&mut Ladder::new(profile), 200);
            for (index, next) in slept.iter().enumerate().skip(1) {
                let silence = slept[0] * 16 + slept[..index].iter().sum::<Duration>();
                assert!(
                    *next <= silence / 16 + Duration::from_nanos(100),
                    "{profile}: {next:?} after {silence:?}"
                );
            }
        }
    }

    #[test]
    fn work_brings_it_back_to_the_lowest_rung() {
        let mut ladder = Ladder::new(Profile::Power);
        let first = climb(&mut ladder, 50);
        ladder.reset();
        assert_eq!(climb(&mut ladder, 50), first);
    }

    #[test]
    fn profiles_are_found_by_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert_eq!("fast".parse::<Profile>(), Err(UnknownProfile));
        assert_eq!(Profile::default(), Profile::Balanced);
    }
}
