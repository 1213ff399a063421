//! Messages in the streams of the other transports: blocking, as their users have it, for the program that moves the bytes on
//! the host needs a processor as well.

use std::{
    io::{self, ErrorKind, Read, Write},
    time::Duration,
};

use crate::{
    failure::Failure,
    peer::{Receiver, Sender, Shape},
    peers::frames::{Buffered, Gathered},
};

/// Who hears nothing for so long gives up.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Both ends of a stream as those of a peer; `gathered` sends 64 KiB at a time, else each message is written by itself.
pub(crate) fn framed<W: Write, R: Read>(
    (to, from): (W, R),
    shape: Shape,
    gathered: bool,
) -> (impl Sender, impl Receiver) {
    let sender = if gathered { Gathered::new(to) } else { Gathered::each(to) };
    (sender, Buffered::new(from, shape))
}

/// A blocking socket with a timeout. What runs into it is an error, and no reason to ask again.
#[derive(Debug)]
pub(crate) struct Timed<S>(pub(crate) S);

impl<S: Read> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(over)
    }
}

impl<S: Write> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(over)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A socket's timeout shows as if there were nothing to do yet.
fn over(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// Names the stream that failed.
pub(crate) fn failed(error: io::Error) -> Failure {
    Failure::Io("stream between host and guest", error)
}
