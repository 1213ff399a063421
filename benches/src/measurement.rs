//! One measurement: two fresh workers, and a look at what else the machine did meanwhile.

use std::{
    env,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    course::Course,
    failure::Failure,
    held_up,
    other_work::OtherWork,
    peer::Side,
    peers::Peer,
    placement::Placement,
    worker::{Figure, Orders, Outcome},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Messages one way, as fast as they go.
    OneWay {
        /// Their length in bytes.
        length: usize,
    },
    /// A message there and one back.
    RoundTrip {
        /// Their length in bytes.
        length: usize,
    },
}

impl Test {
    /// Length of its messages in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::OneWay { length } | Self::RoundTrip { length } => length,
        }
    }
}

/// One measurement, as workers are told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Who is measured.
    pub peer: Peer,
    /// What is measured, and for how long.
    pub course: Course,
    /// The two processors: of the side with the clock, and of the other.
    pub processors: [usize; 2],
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample<P = Peer, T = Test> {
    /// Who was measured.
    pub peer: P,
    /// What was measured.
    pub test: T,
    /// The round it belongs to, from 0.
    pub round: usize,
    /// Where the two cores were; nothing when there was one only.
    pub placement: Option<Placement>,
    /// Round trip of a raw line before and after, in nanoseconds.
    pub probes_ns: Vec<f64>,
    /// Processor time of everybody else on the two processors meanwhile, in milliseconds.
    pub others_ms: u64,
    /// How long the two sides were ready to run and could not, in nanoseconds.
    pub held_up_ns: u64,
    /// Whether either is too much.
    pub disturbed: bool,
    /// The result.
    pub figure: Figure,
}

impl<P, T> Sample<P, T> {
    /// Whether it can be used without a mark.
    pub(crate) fn is_good(&self) -> bool {
        !self.disturbed && self.placement != Some(Placement::Moved)
    }
}

/// Carries out `job` as part of `round`.
pub(crate) fn measure(job: &Job, round: usize) -> Result<Sample, Failure> {
    let watch = OtherWork::watch(job.processors, &[])?;
    let outcome = run(job);
    #[cfg(feature = "peers")]
    crate::peers::iceoryx2::tidy(std::process::id());
    let outcome = outcome?;
    let others = watch.stop()?;
    let probes_ns: Vec<f64> = [outcome.before, outcome.after].into_iter().flatten().collect();
    Ok(Sample {
        peer: job.peer,
        test: job.course.test,
        round,
        placement: Placement::of(&probes_ns),
        probes_ns,
        others_ms: others.ms(),
        held_up_ns: outcome.held_up_ns,
        disturbed: others.is_too_much() || held_up::is_too_much(outcome.held_up_ns, job.course.measured()),
        figure: outcome.figure,
    })
}

fn run(job: &Job) -> Result<Outcome, Failure> {
    if !job.peer.is_apart() {
        return outcome(job, start(job, None, Stdio::null())?);
    }
    let (one, other) = UnixStream::pair().map_err(Failure::io("socket between the workers"))?;
    let partner = start(job, Some(Side::Partner), OwnedFd::from(other).into())?;
    let driver = match start(job, Some(Side::Driver), OwnedFd::from(one).into()) {
        Ok(driver) => driver,
        Err(error) => {
            end(partner)?;
            return Err(error);
        }
    };
    let outcome = outcome(job, driver);
    end(partner)?;
    outcome
}

fn start(job: &Job, side: Option<Side>, input: Stdio) -> Result<Child, Failure> {
    let orders = serde_json::to_string(&Orders { job: job.clone(), side })
        .map_err(|error| Failure::Io("orders of the worker", error.into()))?;
    let program = env::current_exe().map_err(Failure::io("path of this program"))?;
    Command::new(program)
        .args(["--worker", &orders])
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::io("starting a worker"))
}

fn outcome(job: &Job, worker: Child) -> Result<Outcome, Failure> {
    let output = worker.wait_with_output().map_err(Failure::io("waiting for a worker"))?;
    let outcome = output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten();
    outcome.ok_or_else(|| Failure::Worker {
        job: format!("{}, {:?}", job.peer.label(), job.course.test),
        status: output.status.to_string(),
    })
}

/// Ends a worker whose driver has ended: it ends by itself, unless it went astray.
fn end(mut worker: Child) -> Result<(), Failure> {
    let failed = Failure::io("waiting for a worker");
    for _ in 0..1000 {
        match worker.try_wait() {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => std::thread::sleep(Duration::from_micros(200)),
            Err(error) => return Err(failed(error)),
        }
    }
    worker.kill().and_then(|()| worker.wait()).map(drop).map_err(failed)
}
