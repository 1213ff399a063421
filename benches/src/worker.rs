//! The process that is measured, pinned to a core.

use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Duration,
};

use ivring_proto::memory::{HeapMemory, Memory};
use rustix::{
    process::{Signal, set_parent_process_death_signal},
    thread::{CpuSet, sched_setaffinity},
};
use serde::{Deserialize, Serialize};

use crate::{
    bounce::{Bounce, Lines},
    copying::copy,
    cord::Cord,
    failure::Failure,
    held_up::held_up_ns,
    measurement::Job,
    peer::{Apart, Side, Together},
    region,
    round_trip::RoundTrips,
};

/// How long the placement is probed, before and after.
const PROBE: Duration = Duration::from_millis(1);

/// What one worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The measurement.
    pub(crate) job: Job,
    /// The side it takes; nothing when it takes both.
    pub(crate) side: Option<Side>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Messages one way.
    OneWay {
        /// Nanoseconds a message.
        ns: f64,
        /// How many were counted.
        count: u64,
    },
    /// Messages there and back.
    RoundTrip(RoundTrips),
}

/// What the side with the clock reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Round trip of a raw line before the measurement, in nanoseconds; nothing when there is one core only.
    pub(crate) before: Option<f64>,
    /// The same afterwards.
    pub(crate) after: Option<f64>,
    /// How long the two sides were held up by whatever else ran on their processors, in nanoseconds.
    pub(crate) held_up_ns: u64,
    /// The result.
    pub(crate) figure: Figure,
}

/// Does the part of a measurement that `orders` name, as another process wrote them, and writes the outcome to standard
/// output. Standard input is the socket to the other worker, if there is one.
///
/// # Errors
///
/// See [`Failure`]; a measurement with a message that is not right has no outcome.
pub fn work(orders: &str) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Orders { job, side } =
        serde_json::from_str(orders).map_err(|error| Failure::Io("orders of the worker", error.into()))?;
    let cord = match side {
        Some(_) => Some(standard_input().and_then(|socket| Cord::new(UnixStream::from(socket)))?),
        None => None,
    };
    let peer = job.peer;
    if let Some(outcome) = peer.run(&Seat::new(job, side.unwrap_or(Side::Driver), cord))? {
        let text = serde_json::to_string(&outcome)
            .map_err(|error| Failure::Io("outcome of the worker", error.into()))?;
        writeln!(io::stdout(), "{text}").map_err(Failure::io("outcome of the worker"))?;
    }
    Ok(())
}

fn standard_input() -> Result<OwnedFd, Failure> {
    io::stdin().as_fd().try_clone_to_owned().map_err(Failure::io("socket between the workers"))
}

/// A worker's place in a measurement.
#[derive(Debug)]
pub(crate) struct Seat {
    job: Job,
    side: Side,
    cord: Option<Cord>,
}

impl Seat {
    /// A side's seat; without a cord, both sides'.
    pub(crate) fn new(job: Job, side: Side, cord: Option<Cord>) -> Self {
        Self { job, side, cord }
    }

    /// Length of the job's messages.
    pub(crate) fn length(&self) -> usize {
        self.job.course.test.length()
    }

    fn cord(&self) -> Result<&Cord, Failure> {
        self.cord
            .as_ref()
            .ok_or_else(|| Failure::Io("socket between the workers", io::ErrorKind::NotConnected.into()))
    }

    /// A side in a process of its own.
    pub(crate) fn apart<P: Apart>(&self) -> Result<Option<Outcome>, Failure> {
        self.pin(self.side)?;
        let cord = self.cord()?;
        let mut line = self.line(cord)?;
        let (mut sender, mut receiver) = P::open(cord, self.side, self.job.course.shape())?;
        between_probes(self.side, cord, &mut line, || {
            self.job.course.exchange(self.side, &mut sender, &mut receiver)
        })
    }

    /// Both sides as threads of this process.
    pub(crate) fn together<P: Together>(&self) -> Result<Option<Outcome>, Failure> {
        let shape = self.job.course.shape();
        let (mut sender, mut far_receiver) = P::direction(shape)?;
        let (mut far_sender, mut receiver) = P::direction(shape)?;
        let (cord, far_cord) = Cord::pair()?;
        let memory = HeapMemory::new(4096);
        let mut line = Bounce::new(memory.clone(), Lines::One);
        let mut far_line = Bounce::new(memory, Lines::One);
        thread::scope(|scope| {
            let partner = scope.spawn(move || {
                self.pin(Side::Partner)?;
                between_probes(Side::Partner, &far_cord, &mut far_line, || {
                    self.job.course.exchange(Side::Partner, &mut far_sender, &mut far_receiver)
                })
            });
            self.pin(Side::Driver)?;
            let outcome = between_probes(Side::Driver, &cord, &mut line, || {
                self.job.course.exchange(Side::Driver, &mut sender, &mut receiver)
            });
            // A partner that failed is why the driver did.
            partner.join().unwrap_or(Err(Failure::Silent(0)))?;
            outcome
        })
    }

    /// No messages at all: a number to and fro.
    pub(crate) fn raw(&self, lines: Lines) -> Result<Option<Outcome>, Failure> {
        self.pin(self.side)?;
        let cord = self.cord()?;
        let mut line = self.line(cord)?;
        let mut bounce = Bounce::new(region::share(cord, self.side, 4096)?, lines);
        between_probes(self.side, cord, &mut line, || self.job.course.bounce(self.side, &mut bounce))
    }

    /// One core that copies out of `area` bytes.
    pub(crate) fn alone(&self, area: usize) -> Result<Option<Outcome>, Failure> {
        self.pin(Side::Driver)?;
        let held_up = held_up_ns();
        let ns = copy(self.length(), area, self.job.course.warm_up(), self.job.course.measured());
        let held_up_ns = held_up_ns().saturating_sub(held_up);
        Ok(Some(Outcome { before: None, after: None, held_up_ns, figure: Figure::OneWay { ns, count: 0 } }))
    }

    /// The line on which the placement is probed.
    fn line(&self, cord: &Cord) -> Result<Bounce<impl Memory>, Failure> {
        Ok(Bounce::new(region::share(cord, self.side, 4096)?, Lines::One))
    }

    fn pin(&self, side: Side) -> Result<(), Failure> {
        let [driver, partner] = self.job.processors;
        let mut only = CpuSet::new();
        only.set(if side == Side::Driver { driver } else { partner });
        sched_setaffinity(None, &only).map_err(|error| Failure::Io("pinning to a processor", error.into()))
    }
}

/// Probes the placement, does what is to be measured, and probes again.
fn between_probes(
    side: Side,
    cord: &Cord,
    line: &mut Bounce<impl Memory>,
    measured: impl FnOnce() -> Result<Option<Figure>, Failure>,
) -> Result<Option<Outcome>, Failure> {
    cord.meet()?;
    let before = probe(side, line)?;
    let held_up = held_up_ns();
    let figure = measured()?;
    let own = held_up_ns().saturating_sub(held_up);
    let held_up_ns = own.saturating_add(cord.exchange(own)?);
    let after = probe(side, line)?;
    Ok(figure.map(|figure| Outcome { before, after, held_up_ns, figure }))
}

fn probe(side: Side, line: &mut Bounce<impl Memory>) -> Result<Option<f64>, Failure> {
    match side {
        Side::Driver => line.probe(PROBE).map(Some),
        Side::Partner => line.follow().map(|()| None),
    }
}
