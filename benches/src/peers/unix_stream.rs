//! A UNIX stream socket with 64 KiB written and read at a time: what moves many small messages with few system calls.

use std::os::unix::net::UnixStream;

use super::{
    frames::{Buffered, Gathered},
    unix_socket::failed,
};
use crate::{
    cord::Cord,
    failure::Failure,
    peer::{Apart, Receiver, Sender, Shape, Side},
};

/// The socket.
#[derive(Debug)]
pub(crate) struct BufferedStream;

impl Apart for BufferedStream {
    fn open(cord: &Cord, side: Side, shape: Shape) -> Result<(impl Sender, impl Receiver), Failure> {
        let socket = match side {
            Side::Driver => {
                let (here, there) = UnixStream::pair().map_err(failed)?;
                cord.give(&there)?;
                here
            }
            Side::Partner => UnixStream::from(cord.take()?),
        };
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, shape.capacity)?;
        let other = socket.try_clone().map_err(failed)?;
        Ok((Gathered::new(socket), Buffered::new(other, shape)))
    }
}
