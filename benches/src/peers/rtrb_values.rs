//! rtrb, an item a message: arrays whose length the compiler knows, moved in and out.

use crate::{
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Receiver, Sender, Shape, Together},
};

/// A ring of arrays.
#[derive(Debug)]
pub(crate) struct Values<const N: usize>;

impl<const N: usize> Together for Values<N> {
    fn direction(shape: Shape) -> Result<(impl Sender + Send, impl Receiver + Send), Failure> {
        let (producer, consumer) = rtrb::RingBuffer::<[u8; N]>::new(shape.capacity / N);
        Ok((Pushing(producer), Popping(consumer)))
    }
}

struct Pushing<const N: usize>(rtrb::Producer<[u8; N]>);

impl<const N: usize> Sender for Pushing<N> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            // The pool was made for messages of this length.
            let message: &[u8; N] = message.try_into().expect("messages of one length");
            let mut waiting = Patience::default();
            while self.0.is_full() {
                waiting.pause()?;
            }
            // There is room, and nobody else pushes.
            self.0.push(*message).expect("the ring is not full");
        }
        Ok(())
    }
}

struct Popping<const N: usize>(rtrb::Consumer<[u8; N]>);

impl<const N: usize> Receiver for Popping<N> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        loop {
            match self.0.pop() {
                Ok(message) => return take(&message),
                Err(rtrb::PopError::Empty) => waiting.pause()?,
            }
        }
    }
}
