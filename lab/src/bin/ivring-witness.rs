//! `ivring-witness`: sends numbered messages, checks those that come, and writes both down. For the end-to-end tests.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ivring_guest::{Port, Uuid};
use ivring_lab::witness::{Journal, Work, run_guest, run_host};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Proves the delivery of messages over an ivring region.
///
/// Runs until SIGTERM or Ctrl-C; a guest's also ends when a newer program has its channel.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    side: Side,
}

const EXAMPLES: &str = "\
Examples:
  ivring-witness host --region fg_i3 --journal host.journal --send 10000
  ivring-witness guest --port witness --journal /tmp/journal --send 10000
  ivring-witness guest --port witness --journal /tmp/journal --large 3 --echo --ping

Exit codes: 0 ended by a signal, 2 usage, 5 the region, the journal or the peer failed";

#[derive(Debug, Subcommand)]
enum Side {
    /// Be the host of a region
    Host {
        /// The region: a name in /dev/shm or a path
        #[arg(long)]
        region: String,
        /// Channels of a new region
        #[arg(long)]
        channels: Option<u64>,
        /// Seconds of silence after which a guest counts as stale
        #[arg(long, value_name = "SECONDS", default_value = "5")]
        stale_after: u64,
        /// Append what happens to FILE
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        #[command(flatten)]
        work: Work,
    },
    /// Be a program in a guest
    Guest {
        /// The region's file, for a process in a guest's place
        #[arg(long, requires = "id")]
        region: Option<PathBuf>,
        /// Join as this VM
        #[arg(long)]
        id: Option<Uuid>,
        /// Join with this port
        #[arg(long, value_parser = port)]
        port: Port,
        /// Append what happens to FILE
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        #[command(flatten)]
        work: Work,
    },
}

fn port(name: &str) -> Result<Port, String> {
    Port::new(name).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match run(Cli::parse().side) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ivring-witness: {error}");
            ExitCode::from(5)
        }
    }
}

fn run(side: Side) -> io::Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&end))?;
    }
    match side {
        Side::Host { region, channels, stale_after, journal, work } => {
            let options = ivring_host::Options {
                channels,
                stale_after: Duration::from_secs(stale_after),
                repeat_window: work.window,
                ..ivring_host::Options::new(region)
            };
            run_host(options, work, Journal::open(&journal)?, &end)
        }
        Side::Guest { region, id, port, journal, work } => {
            let options = ivring_guest::Options {
                region,
                id,
                port,
                repeat_window: work.window,
                ..ivring_guest::Options::default()
            };
            run_guest(options, work, Journal::open(&journal)?, &end)
        }
    }
}
