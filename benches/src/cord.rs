//! How two workers wait for each other and pass descriptors, away from what is measured.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::failure::Failure;

/// The other worker may take this long to get somewhere.
const LIMIT: Duration = Duration::from_secs(20);

/// One end of the socket between two workers.
#[derive(Debug)]
pub(crate) struct Cord(UnixStream);

impl Cord {
    /// Takes a socket for a cord.
    pub(crate) fn new(socket: UnixStream) -> Result<Self, Failure> {
        socket.set_read_timeout(Some(LIMIT)).map_err(Failure::io("socket between the workers"))?;
        Ok(Self(socket))
    }

    /// Both ends, for two sides in one process.
    pub(crate) fn pair() -> Result<(Self, Self), Failure> {
        let (one, other) = UnixStream::pair().map_err(Failure::io("socket between the workers"))?;
        Ok((Self::new(one)?, Self::new(other)?))
    }

    /// Waits until the other side is here as well.
    ///
    /// # Errors
    ///
    /// When it ends instead, or does not come within 20 seconds.
    pub(crate) fn meet(&self) -> Result<(), Failure> {
        self.exchange(0).map(drop)
    }

    /// Waits until the other side is here as well; gives it a number and takes one.
    ///
    /// # Errors
    ///
    /// As [`meet`](Self::meet).
    pub(crate) fn exchange(&self, number: u64) -> Result<u64, Failure> {
        let mut theirs = [0; 8];
        (&self.0)
            .write_all(&number.to_le_bytes())
            .and_then(|()| (&self.0).read_exact(&mut theirs))
            .map_err(Failure::io("waiting for the other worker"))?;
        Ok(u64::from_le_bytes(theirs))
    }

    /// Gives the other side a descriptor.
    pub(crate) fn give(&self, descriptor: impl AsFd) -> Result<(), Failure> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        // The space was made for one.
        let fits = control.push(SendAncillaryMessage::ScmRights(&descriptors));
        assert!(fits, "no space for one descriptor");
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
        Ok(())
    }

    /// Takes a descriptor that the other side gives.
    pub(crate) fn take(&self) -> Result<OwnedFd, Failure> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        rustix::net::recvmsg(&self.0, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let received = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        received.ok_or_else(|| {
            Failure::Io("waiting for a descriptor of the other worker", io::ErrorKind::UnexpectedEof.into())
        })
    }
}
