//! The program `ivring`: its command line, and one module a command.

mod doctor;
mod evict;
mod inspect;
mod last_time;
mod listen;
mod ls;
mod options;
mod ping;
mod request;
mod send;
mod table;

use std::process::ExitCode;

use clap::Parser;
use ivring_proto::console::{Endpoint, Failure, Output, report};
use ivring_proto::control::{Service, Target};

use crate::log;
use options::{Command, Options};

/// Runs `ivring` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    log::start(options.verbose, false);
    report(run(options))
}

fn run(options: Options) -> Result<(), Failure> {
    let Options { socket, json, command, .. } = options;
    let daemon = &Endpoint { service: Service::Daemon, socket };
    let out = &mut Output::new(json);
    match command {
        Command::Ls(ls) => ls::list(&ls, daemon, out),
        Command::Ping(ping) => ping::ping(&ping, daemon, out),
        Command::Send(send) => send::send(send, daemon, out),
        Command::Request(request) => request::request(request, daemon, out),
        Command::Listen(listen) => listen::listen(listen, daemon, out),
        Command::Doctor(doctor) => doctor::doctor(&doctor, daemon, out),
        Command::Inspect(inspect) => inspect::inspect(&inspect, daemon, out),
        Command::Evict(evict) => evict::evict(&evict, daemon, out),
    }
}

/// The guest that a command names.
fn target(guest: &str, region: &options::Region) -> Target {
    Target { guest: Some(guest.to_owned()), region: region.name.clone() }
}
