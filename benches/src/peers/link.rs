//! ivring's link: the ring with envelopes, topics and counters, as the daemon and the agent use it.

use ivring_proto::{
    link::{ENVELOPE, Link, SendError, Topic},
    memory::MappedFile,
};
use std::{cell::RefCell, rc::Rc};

use super::ring::ends;
use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
    region::{Rings, for_rings},
};

const TOPIC: &str = "t";

/// The link; published with each batch.
#[derive(Debug)]
pub(crate) struct Linked;

impl Apart for Linked {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let memory = for_rings(cord, side, shape)?;
        let (producer, consumer) = ends(memory, Rings::of(side, shape));
        let link = Rc::new(RefCell::new(Link::new(producer, consumer)));
        let topic = Topic::new(TOPIC).map_err(|error| refused(&error))?;
        let buffer = vec![0; ENVELOPE + TOPIC.len() + shape.length];
        Ok((Sending { link: Rc::clone(&link), topic }, Receiving { link, buffer }))
    }
}

struct Sending {
    link: Rc<RefCell<Link<MappedFile>>>,
    topic: Topic<'static>,
}

impl Sender for Sending {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        let mut link = self.link.borrow_mut();
        for message in batch {
            let mut waiting = Patience::default();
            while let Err(error) = link.send(self.topic, message) {
                match error {
                    SendError::Full { .. } => waiting.pause()?,
                    error => return Err(refused(&error)),
                }
            }
        }
        link.flush();
        Ok(())
    }
}

struct Receiving {
    link: Rc<RefCell<Link<MappedFile>>>,
    buffer: Vec<u8>,
}

impl Receiver for Receiving {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut link = self.link.borrow_mut();
        let mut waiting = Patience::default();
        loop {
            match link.receive(&mut self.buffer).map_err(|error| refused(&error))? {
                Some(received) => return take(received.payload),
                None => waiting.pause()?,
            }
        }
    }
}

fn refused(what: &dyn std::fmt::Display) -> Failure {
    Failure::Peer { peer: "ivring link", what: what.to_string() }
}
