//! What either end does in a measurement, once it has its transport.

use ivring_proto::memory::MappedFile;

use super::{meeting::Meeting, orders::Orders, way::End};
use crate::{
    bounce::{Bounce, Lines},
    failure::Failure,
    peer::{Receiver, Sender, Side},
    peers::ring,
    region::Rings,
    worker::Figure,
};

/// An end's part in one measurement.
pub(crate) struct Part<'a> {
    /// The measurement.
    pub(crate) orders: &'a Orders,
    /// The end.
    pub(crate) end: End,
    /// The plain memory, where the two ends meet.
    pub(crate) memory: MappedFile,
    /// Tells that the other end has ended.
    pub(crate) gone: &'a dyn Fn() -> bool,
}

impl Part<'_> {
    /// Messages between the two ends.
    pub(crate) fn exchange(
        self,
        (mut sender, mut receiver): (impl Sender, impl Receiver),
    ) -> Result<Option<Figure>, Failure> {
        let side = self.orders.way.side(self.end);
        self.between_meetings(|orders| orders.course().exchange(side, &mut sender, &mut receiver))
    }

    /// A number between the two ends.
    pub(crate) fn bounce(self, lines: Lines) -> Result<Option<Figure>, Failure> {
        let side = self.orders.way.side(self.end);
        let mut bounce = Bounce::new(self.memory.clone(), lines);
        self.between_meetings(|orders| orders.course().bounce(side, &mut bounce))
    }

    /// What the ring takes the end with the clock when there is nobody else: it pushes a message and takes it out again. A round
    /// trip has that of both ends, and the ways between the two processors.
    pub(crate) fn alone(self) -> Result<Option<Figure>, Failure> {
        let side = self.orders.way.side(self.end);
        let shape = self.orders.course().shape();
        let rings = Rings::of(side, shape);
        let to_itself = Rings { receiving: rings.sending, ..rings };
        let (mut sender, mut receiver) = ring::over::<false>(self.memory.clone(), to_itself, shape);
        self.between_meetings(|orders| match side {
            Side::Driver => orders.course().exchange(side, &mut sender, &mut receiver),
            Side::Partner => Ok(None),
        })
    }

    /// Neither end begins before the other is there, nor leaves before the other has all that was sent.
    fn between_meetings(
        self,
        measure: impl FnOnce(&Orders) -> Result<Option<Figure>, Failure>,
    ) -> Result<Option<Figure>, Failure> {
        let mut meeting = Meeting::new(self.memory, self.end);
        meeting.meet(self.gone)?;
        let figure = measure(self.orders)?;
        meeting.meet(self.gone)?;
        Ok(figure)
    }
}
