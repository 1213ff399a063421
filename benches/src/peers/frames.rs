//! Messages in a stream of bytes: a length before each of them, read through a buffer.

use std::io::{IoSlice, Read, Write};

use super::unix_socket::{failed, polled};
use crate::{
    failure::Failure,
    messages::Batch,
    peer::{Receiver, Sender, Shape},
};

const HEADER: usize = 8;
/// Size of a stream's buffer in bytes, where a message is not longer.
const BUFFER: usize = 64 * 1024;

/// Writes each message with a call of its own.
#[derive(Debug)]
pub(super) struct EachWritten<W>(pub(super) W);

impl<W: Write> Sender for EachWritten<W> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            let header = (message.len() as u64).to_le_bytes();
            let written = polled(|| self.0.write_vectored(&[IoSlice::new(&header), IoSlice::new(message)]))?;
            // Where there was room for a part only.
            if let Some(rest) = header.get(written..).filter(|rest| !rest.is_empty()) {
                write_all(&mut self.0, rest)?;
            }
            write_all(&mut self.0, &message[written.saturating_sub(HEADER)..])?;
        }
        Ok(())
    }
}

/// Gathers messages and writes 64 KiB at a time, or each as one piece.
#[derive(Debug)]
pub(crate) struct Gathered<W> {
    to: W,
    buffer: Vec<u8>,
    each: bool,
}

impl<W: Write> Gathered<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, buffer: Vec::with_capacity(BUFFER), each: false }
    }

    /// Writes each message by itself, with its header in one call even where the system would split them.
    pub(crate) fn each(to: W) -> Self {
        Self { each: true, ..Self::new(to) }
    }
}

impl<W: Write> Sender for Gathered<W> {
    fn send(&mut self, batch: Batch<'_>) -> Result<(), Failure> {
        for message in batch {
            if self.buffer.len() + HEADER + message.len() > BUFFER {
                self.flush()?;
            }
            self.buffer.extend_from_slice(&(message.len() as u64).to_le_bytes());
            self.buffer.extend_from_slice(message);
            if self.each {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        write_all(&mut self.to, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn write_all(to: &mut impl Write, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let written = polled(|| to.write(bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads as much as there is, and takes the messages out of it.
#[derive(Debug)]
pub(crate) struct Buffered<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    message: Vec<u8>,
}

impl<R: Read> Buffered<R> {
    pub(crate) fn new(from: R, shape: Shape) -> Self {
        let buffer = vec![0; BUFFER.max(HEADER + shape.length)];
        Self { from, buffer, start: 0, end: 0, message: vec![0; shape.length] }
    }

    /// Makes sure of `needed` bytes at the start.
    fn fill(&mut self, needed: usize) -> Result<(), Failure> {
        if self.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < needed {
            let read = polled(|| self.from.read(&mut self.buffer[self.end..]))?;
            if read == 0 {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.end += read;
        }
        Ok(())
    }
}

impl<R: Read> Receiver for Buffered<R> {
    fn receive(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        self.fill(HEADER)?;
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.buffer[self.start..][..HEADER]);
        let length = usize::try_from(u64::from_le_bytes(header)).unwrap_or(usize::MAX);
        if length > self.message.len() {
            return Err(Failure::Peer { peer: "stream", what: format!("a message of {length} bytes") });
        }
        self.fill(HEADER + length)?;
        self.message[..length].copy_from_slice(&self.buffer[self.start + HEADER..][..length]);
        self.start += HEADER + length;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        take(&self.message[..length])
    }
}
