//! The program `ivringd`: several regions and one control socket, in one thread.
//!
//! | file | what |
//! | --- | --- |
//! | `options`, `error`, `signals`, `notify` | how it begins and ends |
//! | `serve` | the loop |
//! | `regions` | the regions it serves, and those that appear |
//! | `events` | what guests do, in the log and for the desk |
//!
//! What clients of the control socket ask is the desk's (`desk.rs`).

mod error;
mod events;
mod notify;
mod options;
mod regions;
mod serve;
#[cfg(test)]
mod shipped;
mod signals;

use std::path::Path;
use std::process::ExitCode;

use ivring_proto::console::parse_with_config;
use ivring_proto::control::{Code, Server, Service};
use ivring_proto::memory::guard_mappings;

use crate::desk::{Desk, SOCKET_MODE};
use crate::log;
use error::DaemonError;
use options::{Options, USUAL_CONFIG};
use regions::Regions;
use serve::Daemon;
use signals::Signals;

/// Runs `ivringd` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let options: Options = parse_with_config(Path::new(USUAL_CONFIG));
    log::start(options.verbose, true);
    if let Some(file) = &options.config {
        tracing::info!("options were read from {}", file.display());
    }
    let code = match run(&options) {
        Ok(()) => Code::Done,
        Err(error) => {
            tracing::error!("{error}");
            error.code()
        }
    };
    code.into()
}

fn run(options: &Options) -> Result<(), DaemonError> {
    // Before anything is made, so that a signal leaves nothing behind.
    let signals = Signals::catch().map_err(DaemonError::Signals)?;
    // A region whose file is cut while it is mapped is to cost that region and no other.
    guard_mappings().map_err(DaemonError::Guard)?;
    let path = options.socket.clone().unwrap_or_else(|| Service::Daemon.path_to_serve());
    // Before the regions: a second daemon at the same socket is refused with nothing touched.
    let desk = Desk::new(Server::bind(&path, SOCKET_MODE)?, options.profile);
    // Beside the socket: both belong to this daemon and are of no use after the machine's next boot.
    let regions = Regions::open(options, path.parent())?;
    tracing::info!("clients are served at {}", path.display());
    notify::ready(regions.all().len());
    Daemon::new(regions, desk, signals, options.profile).run()
}
