//! A pipe a direction: one call writes a message, one call reads as many as there are. Polled, as the rings are.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

use super::frames::{Buffered, EachWritten};
use crate::{
    cord::Cord,
    failure::Failure,
    peer::{Apart, Receiver, Sender, Shape, Side},
};

/// The pipes.
#[derive(Debug)]
pub(crate) struct Pipes;

impl Apart for Pipes {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let (reading, writing) = match side {
            Side::Driver => {
                let (reading, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
                let (their, writing) = pipe_with(PipeFlags::CLOEXEC)?;
                for pipe in [&theirs, &writing] {
                    fcntl_setpipe_size(pipe, shape.capacity)?;
                }
                cord.give(&their)?;
                cord.give(&theirs)?;
                (reading, writing)
            }
            Side::Partner => (cord.take()?, cord.take()?),
        };
        Ok((EachWritten(polled_file(writing)?), Buffered::new(polled_file(reading)?, shape)))
    }
}

/// An end that never blocks.
fn polled_file(end: OwnedFd) -> Result<File, Failure> {
    let flags = fcntl_getfl(end.as_fd())?;
    fcntl_setfl(end.as_fd(), flags | OFlags::NONBLOCK)?;
    Ok(File::from(end))
}
