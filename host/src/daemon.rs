//! The program `ivringd`: several regions and one control socket, in one thread.
//!
//! | file | what |
//! | --- | --- |
//! | `options`, `error`, `signals` | how it begins and ends |
//! | `serve` | the loop |
//! | `regions` | the regions it serves, and those that appear |
//! | `events`, `answers` | what guests do, and what they are answered |
//! | `requests`, `roster` | what clients ask, and whom they mean |
//! | `expected` | answers of guests that clients wait for |
//! | `sends`, `waiting_sends` | messages to guests, and those that wait for room |
//! | `log_limit` | how often a guest is heard in the log |

mod answers;
mod error;
mod events;
mod expected;
mod log_limit;
mod options;
mod regions;
mod requests;
mod roster;
mod sends;
mod serve;
mod signals;
mod waiting_sends;

use std::process::ExitCode;

use clap::Parser;
use ivring_proto::control::{Code, Server, Service};

use crate::log;
use error::DaemonError;
use options::Options;
use regions::Regions;
use serve::Daemon;
use signals::Signals;

/// Owner and group may connect, nobody else.
const SOCKET_MODE: u32 = 0o660;

/// Runs `ivringd` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    log::start(options.verbose, true);
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
    let path = options.socket.clone().unwrap_or_else(|| Service::Daemon.path_to_serve());
    // Before the regions: a second daemon at the same socket is refused with nothing touched.
    let server = Server::bind(&path, SOCKET_MODE)?;
    // Beside the socket: both belong to this daemon and are of no use after the machine's next boot.
    let regions = Regions::open(options, path.parent())?;
    tracing::info!("clients are served at {}", path.display());
    Daemon::new(regions, server, signals, options.profile).run()
}
