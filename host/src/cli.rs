//! The program `ivring`: its command line, and one module a command.

mod amount;
mod evict;
mod failure;
mod inspect;
mod listen;
mod ls;
mod options;
mod output;
mod payload;
mod ping;
mod send;
mod shown;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ivring_proto::control::{Client, Service, Target};

use crate::log;
use failure::Failure;
use options::{Command, Options};
use output::Output;

/// Runs `ivring` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    log::start(options.verbose, false);
    failure::report(run(options))
}

fn run(options: Options) -> Result<(), Failure> {
    let Options { socket, json, command, .. } = options;
    let connect = || connect(socket);
    let out = &mut Output::new(json);
    match command {
        Command::Ls(ls) => ls::list(&ls, &mut connect()?, out),
        Command::Ping(ping) => ping::ping(&ping, &mut connect()?, out),
        // It connects when it has read what is to be sent.
        Command::Send(send) => send::send(send, connect, out),
        Command::Listen(listen) => listen::listen(listen, connect()?, out),
        Command::Inspect(inspect) => inspect::inspect(&inspect, out),
        Command::Evict(evict) => evict::evict(&evict, &mut connect()?, out),
    }
}

fn connect(socket: Option<PathBuf>) -> Result<Client, Failure> {
    let path = socket.unwrap_or_else(|| Service::Daemon.path_to_reach());
    Ok(Client::connect(Service::Daemon, &path)?)
}

/// The guest that a command names.
fn target(guest: &str, region: &options::Region) -> Target {
    Target { guest: Some(guest.to_owned()), region: region.name.clone() }
}
