//! A UNIX datagram socket: one call sends a message, one call receives it. Blocking, or polled as the rings are.

use std::{
    io::{self, ErrorKind},
    os::unix::net::UnixDatagram,
};

use crate::{
    cord::Cord,
    failure::Failure,
    messages::Batch,
    patience::Patience,
    peer::{Apart, Receiver, Sender, Shape, Side},
};

/// The socket.
#[derive(Debug)]
pub(crate) struct Datagrams<const BLOCKING: bool>;

impl<const BLOCKING: bool> Apart for Datagrams<BLOCKING> {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let socket = match side {
            Side::Driver => {
                let (here, there) = UnixDatagram::pair().map_err(failed)?;
                cord.give(&there)?;
                here
            }
            Side::Partner => UnixDatagram::from(cord.take()?),
        };
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, shape.capacity)?;
        socket.set_nonblocking(!BLOCKING).map_err(failed)?;
        let other = socket.try_clone().map_err(failed)?;
        // One byte more shows a message that is too long.
        Ok((Sending(socket), Receiving { socket: other, buffer: vec![0; shape.length + 1] }))
    }
}

struct Sending(UnixDatagram);

impl Sender for Sending {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            polled(|| self.0.send(message))?;
        }
        Ok(())
    }
}

struct Receiving {
    socket: UnixDatagram,
    buffer: Vec<u8>,
}

impl Receiver for Receiving {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let length = polled(|| self.socket.recv(&mut self.buffer))?;
        take(&self.buffer[..length])
    }
}

/// Calls until there is something to do.
pub(super) fn polled(mut call: impl FnMut() -> io::Result<usize>) -> Result<usize, Failure> {
    let mut waiting = Patience::default();
    loop {
        match call() {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == ErrorKind::WouldBlock => waiting.pause()?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

pub(super) fn failed(error: io::Error) -> Failure {
    Failure::Io("socket or pipe", error)
}
