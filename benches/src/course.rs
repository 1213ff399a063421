//! What the two sides of a measurement do, once there is a connection.

use std::time::Duration;

use ivring_proto::memory::Memory;
use serde::{Deserialize, Serialize};

use crate::{
    bounce::Bounce,
    failure::Failure,
    measurement::Test,
    peer::{Receiver, Sender, Shape, Side},
    round_trip, throughput,
    worker::Figure,
};

/// A test, and how long it takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Course {
    /// What is measured.
    pub test: Test,
    /// How long before it counts, in microseconds.
    pub warm_up_us: u64,
    /// How long it counts, in microseconds.
    pub measured_us: u64,
}

impl Course {
    /// How long before it counts.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_micros(self.warm_up_us)
    }

    /// How long it counts.
    pub(crate) fn measured(&self) -> Duration {
        Duration::from_micros(self.measured_us)
    }

    /// What a connection for it is like.
    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.test.length())
    }

    /// What a side does with messages. Only the one with the clock has a figure.
    pub(crate) fn exchange(
        &self,
        side: Side,
        sender: &mut impl Sender,
        receiver: &mut impl Receiver,
    ) -> Result<Option<Figure>, Failure> {
        let (shape, warm_up, measured) = (self.shape(), self.warm_up(), self.measured());
        match (self.test, side) {
            (Test::OneWay { .. }, Side::Driver) => {
                let (count, ns) = throughput::receive(receiver, shape)?;
                Ok(Some(Figure::OneWay { ns, count }))
            }
            (Test::OneWay { .. }, Side::Partner) => {
                throughput::send(sender, shape, warm_up, measured).map(|()| None)
            }
            (Test::RoundTrip { .. }, Side::Driver) => {
                round_trip::drive((sender, receiver), shape, warm_up, measured)
                    .map(|times| Some(Figure::RoundTrip(times)))
            }
            (Test::RoundTrip { .. }, Side::Partner) => {
                round_trip::answer((sender, receiver), shape).map(|()| None)
            }
        }
    }

    /// What a side does with a number that goes to and fro.
    pub(crate) fn bounce(
        &self,
        side: Side,
        bounce: &mut Bounce<impl Memory>,
    ) -> Result<Option<Figure>, Failure> {
        match side {
            Side::Driver => {
                let times = round_trip::time(self.warm_up(), self.measured(), || bounce.there_and_back())?;
                bounce.stop()?;
                Ok(Some(Figure::RoundTrip(times)))
            }
            Side::Partner => bounce.follow().map(|()| None),
        }
    }
}
