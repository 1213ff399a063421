//! The guest's ends of all transports.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::TcpStream,
    os::fd::AsRawFd,
    path::PathBuf,
    thread,
    time::Duration,
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, VsockAddr, connect, socket};

use super::{
    area,
    idle::oversleep,
    linked::{GuestEnd, ends},
    orders::{Orders, Task},
    part::Part,
    streams::{failed, framed},
    transport::Transport,
    way::End,
};
use crate::{bounce::Lines, failure::Failure, peers::ring, region::Rings, worker::Figure};

/// The host, in vsock's numbers.
const HOST: u32 = 2;
/// The port of vsock at which it listens.
pub(crate) const VSOCK_PORT: u32 = 1024;
/// The host, in the addresses of QEMU's user-mode network.
const GATEWAY: &str = "10.0.2.2";

/// Does in the guest what `orders` name, as the host wrote them, and writes the figure, if there is one, to standard output.
///
/// # Errors
///
/// See [`Failure`]; a measurement with a message that is not right has no figure.
pub fn serve(orders: &str) -> Result<(), Failure> {
    let task: Task =
        serde_json::from_str(orders).map_err(|error| Failure::Io("orders of the host", error.into()))?;
    let figure = match task {
        Task::Measure(orders) => serde_json::to_string(&take_part(&orders)?),
        Task::Oversleep { us } => serde_json::to_string(&oversleep(Duration::from_micros(us))),
        Task::Sleep { us } => loop {
            thread::sleep(Duration::from_micros(us));
        },
    };
    let text = figure.map_err(|error| Failure::Io("the guest's figure", error.into()))?;
    writeln!(io::stdout(), "{text}").map_err(Failure::io("the guest's figure"))
}

fn take_part(orders: &Orders) -> Result<Option<Figure>, Failure> {
    let memory = area::in_guest()?;
    let part = Part { orders, end: End::Guest, memory: memory.clone(), gone: &|| false };
    let (side, shape) = (orders.way.side(End::Guest), orders.course().shape());
    match orders.transport {
        Transport::Ring => part.exchange(ring::over::<false>(memory, Rings::of(side, shape), shape)),
        Transport::RingBatched => part.exchange(ring::over::<true>(memory, Rings::of(side, shape), shape)),
        Transport::Link => part.exchange(ends(GuestEnd::join()?)),
        Transport::Serial | Transport::SerialGathered => {
            let port = File::options().read(true).write(true).open(serial_port()?).map_err(failed)?;
            let gathered = orders.transport == Transport::SerialGathered;
            part.exchange(framed((&port, &port), shape, gathered))
        }
        Transport::Vsock | Transport::VsockGathered => {
            let stream = vsock()?;
            let gathered = orders.transport == Transport::VsockGathered;
            part.exchange(framed((&stream, &stream), shape, gathered))
        }
        Transport::Tcp | Transport::TcpGathered => {
            let stream = TcpStream::connect((GATEWAY, orders.tcp_port)).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let gathered = orders.transport == Transport::TcpGathered;
            part.exchange(framed((&stream, &stream), shape, gathered))
        }
        Transport::OneLine => part.bounce(Lines::One),
        Transport::TwoLines => part.bounce(Lines::Two),
        Transport::Alone => part.alone(),
    }
}

/// The only serial port of virtio.
fn serial_port() -> Result<PathBuf, Failure> {
    let devices = fs::read_dir("/dev").map_err(failed)?;
    devices
        .filter_map(Result::ok)
        .find(|device| device.file_name().to_string_lossy().starts_with("vport"))
        .map(|device| device.path())
        .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// A connection to the host; a socket is read and written like a file.
fn vsock() -> Result<File, Failure> {
    let connected = || {
        let socket = socket(AddressFamily::Vsock, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        connect(socket.as_raw_fd(), &VsockAddr::new(HOST, VSOCK_PORT))?;
        Ok(socket)
    };
    connected().map(File::from).map_err(|error: nix::Error| failed(error.into()))
}
