//! crossbeam-channel, bounded: arrays whose length the compiler knows, moved in and out, polled.

use crossbeam_channel::{TryRecvError, bounded};

use crate::{
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Receiver, Sender, Shape, Together},
};

/// A channel of arrays.
#[derive(Debug)]
pub(crate) struct Channel<const N: usize>;

impl<const N: usize> Together for Channel<N> {
    fn direction(shape: Shape) -> Result<(impl Sender + Send, impl Receiver + Send), Failure> {
        let (sender, receiver) = bounded::<[u8; N]>(shape.capacity / N);
        Ok((Sending(sender), Receiving(receiver)))
    }
}

struct Sending<const N: usize>(crossbeam_channel::Sender<[u8; N]>);

impl<const N: usize> Sender for Sending<N> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            // The pool was made for messages of this length.
            let message: &[u8; N] = message.try_into().expect("messages of one length");
            let mut waiting = Patience::default();
            while self.0.is_full() {
                waiting.pause()?;
            }
            // There is room, and nobody else sends.
            self.0.try_send(*message).map_err(|_| gone())?;
        }
        Ok(())
    }
}

struct Receiving<const N: usize>(crossbeam_channel::Receiver<[u8; N]>);

impl<const N: usize> Receiver for Receiving<N> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut waiting = Patience::default();
        loop {
            match self.0.try_recv() {
                Ok(message) => return take(&message),
                Err(TryRecvError::Empty) => waiting.pause()?,
                Err(TryRecvError::Disconnected) => return Err(gone()),
            }
        }
    }
}

fn gone() -> Failure {
    Failure::Peer { peer: "crossbeam-channel", what: "the other end is gone".to_owned() }
}
