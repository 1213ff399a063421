//! The host's ends of all transports.

use std::{
    io::{self, ErrorKind},
    net::TcpListener,
    os::unix::net::{UnixListener, UnixStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ivring_host::Host;

use super::{
    area::Area,
    linked::{HostEnd, ends},
    orders::Orders,
    part::Part,
    streams::{LIMIT, Timed, failed, framed},
    transport::Transport,
    way::End,
};
use crate::{bounce::Lines, failure::Failure, peers::ring, region::Rings, worker::Figure};

/// How often a listener is looked at.
const LOOK: Duration = Duration::from_micros(200);

/// What the host has open for the guest.
#[derive(Debug)]
pub(crate) struct HostSide {
    /// The plain memory.
    pub(crate) area: Area,
    /// The region's host.
    pub(crate) host: Host,
    /// QEMU's end of the serial port.
    pub(crate) serial: UnixStream,
    /// Where connections of vsock arrive, if there is vsock.
    pub(crate) vsock: Option<UnixListener>,
    /// Where connections of TCP arrive.
    pub(crate) tcp: TcpListener,
}

impl HostSide {
    /// Takes the host's part in a measurement. `gone` is set when the program in the guest has ended.
    pub(crate) fn take_part(
        &mut self,
        orders: &Orders,
        gone: &AtomicBool,
    ) -> Result<Option<Figure>, Failure> {
        let memory = self.area.fresh()?;
        let gone = &|| gone.load(Relaxed);
        let part = Part { orders, end: End::Host, memory: memory.clone(), gone };
        let (side, shape) = (orders.way.side(End::Host), orders.course().shape());
        match orders.transport {
            Transport::Ring => part.exchange(ring::over::<false>(memory, Rings::of(side, shape), shape)),
            Transport::RingBatched => {
                part.exchange(ring::over::<true>(memory, Rings::of(side, shape), shape))
            }
            Transport::Link => {
                let figure = part.exchange(ends(HostEnd::attached(&mut self.host, gone)?))?;
                // Else the next one could be taken for this.
                HostEnd::left(&mut self.host)?;
                Ok(figure)
            }
            Transport::Serial | Transport::SerialGathered => {
                let streams = (timed(&self.serial)?, timed(&self.serial)?);
                part.exchange(framed(streams, shape, orders.transport == Transport::SerialGathered))
            }
            Transport::Vsock | Transport::VsockGathered => {
                let listener = self.vsock.as_ref().ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
                let (stream, _) = accepted(|| listener.accept(), gone)?;
                stream.set_nonblocking(false).map_err(failed)?;
                let streams = (timed(&stream)?, timed(&stream)?);
                part.exchange(framed(streams, shape, orders.transport == Transport::VsockGathered))
            }
            Transport::Tcp | Transport::TcpGathered => {
                let (stream, _) = accepted(|| self.tcp.accept(), gone)?;
                stream.set_nonblocking(false).map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
                stream.set_write_timeout(Some(LIMIT)).map_err(failed)?;
                let other = stream.try_clone().map_err(failed)?;
                let gathered = orders.transport == Transport::TcpGathered;
                part.exchange(framed((Timed(stream), Timed(other)), shape, gathered))
            }
            Transport::OneLine => part.bounce(Lines::One),
            Transport::TwoLines => part.bounce(Lines::Two),
            Transport::Alone => part.alone(),
        }
    }
}

fn timed(stream: &UnixStream) -> Result<Timed<UnixStream>, Failure> {
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    stream.set_write_timeout(Some(LIMIT)).map_err(failed)?;
    stream.try_clone().map(Timed).map_err(failed)
}

/// Waits for a connection of the guest; the listener does not block.
fn accepted<T>(mut accept: impl FnMut() -> io::Result<T>, gone: &dyn Fn() -> bool) -> Result<T, Failure> {
    let since = Instant::now();
    loop {
        match accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if gone() || since.elapsed() > LIMIT {
                    return Err(Failure::Silent(since.elapsed().as_secs()));
                }
                thread::sleep(LOOK);
            }
            accepted => return accepted.map_err(failed),
        }
    }
}
