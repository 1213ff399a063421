//! The whole comparison: rounds of measurements, those that were disturbed again, and a report.

use std::time::{Duration, Instant};

use crate::{
    course::Course,
    failure::Failure,
    measurement::{Job, Sample, Test, measure},
    peers::Peer,
    processors::{chosen, first_two},
    report::Report,
    schedule::{tests, turns},
    system::System,
};

/// A measurement that was disturbed is repeated so many times at most.
const REPEATS: usize = 2;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Under a minute; in a guest a minute and a half.
    Quick,
    /// Under ten minutes; in a guest six.
    Full,
}

impl Extent {
    fn rounds(self) -> usize {
        match self {
            Self::Quick => 3,
            Self::Full => 9,
        }
    }

    /// Warm-up and measurement, in microseconds.
    pub(crate) fn lengths_us(self) -> (u64, u64) {
        match self {
            Self::Quick => (10_000, 40_000),
            Self::Full => (20_000, 100_000),
        }
    }

    /// As [`rounds`](Self::rounds), in a guest.
    pub(crate) fn rounds_in_guest(self) -> usize {
        match self {
            Self::Quick => 2,
            Self::Full => 9,
        }
    }

    /// As [`limit`](Self::limit), in a guest, where what waiting costs takes half a minute more.
    pub(crate) fn limit_in_guest(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(50),
            Self::Full => Duration::from_secs(290),
        }
    }

    /// No round is begun that would not end before.
    fn limit(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(55),
            Self::Full => Duration::from_secs(570),
        }
    }
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is measured.
    pub extent: Extent,
    /// How many rounds, instead of what belongs to the extent.
    pub rounds: Option<usize>,
    /// Who takes part.
    pub peers: Vec<Peer>,
    /// The processors to use; where nothing is said, the first two cores that this process may use.
    pub processors: Option<[usize; 2]>,
}

/// Measures everybody. `progress` is told of each part of a round as it begins.
///
/// Starts a process or two of this program for each measurement, which must pass the argument of `--worker` to
/// [`work`](crate::work); all of them have ended when this returns.
///
/// # Errors
///
/// See [`Failure`]: where one measurement fails, the comparison does.
pub fn compare(options: &Options, mut progress: impl FnMut(&str)) -> Result<Report, Failure> {
    if let Some(peer) = options.peers.iter().find(|peer| !peer.is_built()) {
        return Err(Failure::NotBuilt(peer.label()));
    }
    let processors = options.processors.map_or_else(first_two, chosen)?;
    let (warm_up_us, measured_us) = options.extent.lengths_us();
    let wanted = options.rounds.unwrap_or_else(|| options.extent.rounds());
    let begun = Instant::now();
    let (mut samples, mut rounds, mut repeated) = (Vec::new(), 0, 0);
    let mut longest = Duration::ZERO;
    while rounds < wanted && begun.elapsed() + longest < options.extent.limit() {
        let round_begun = Instant::now();
        for test in tests() {
            progress(&format!("round {} of {wanted}: {}", rounds + 1, name(test)));
            for peer in turns(&options.peers, test, rounds) {
                let job = Job { peer, course: Course { test, warm_up_us, measured_us }, processors };
                let taken = until_good(|| measure(&job, rounds))?;
                repeated += taken.len() - 1;
                samples.extend(taken);
            }
        }
        longest = longest.max(round_begun.elapsed());
        rounds += 1;
    }
    Ok(Report::new(System::here(processors), rounds, measured_us / 1000, repeated, samples))
}

/// Measures until nothing disturbs, but not for ever; all samples, of which only the last can be good.
pub(crate) fn until_good<P, T>(
    mut measure: impl FnMut() -> Result<Sample<P, T>, Failure>,
) -> Result<Vec<Sample<P, T>>, Failure> {
    let mut samples = Vec::new();
    for _ in 0..=REPEATS {
        let sample = measure()?;
        let good = sample.is_good();
        samples.push(sample);
        if good {
            break;
        }
    }
    Ok(samples)
}

fn name(test: Test) -> String {
    match test {
        Test::OneWay { length } => format!("{length} bytes one way"),
        Test::RoundTrip { length } => format!("{length} bytes there and back"),
    }
}
