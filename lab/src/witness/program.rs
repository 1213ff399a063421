//! A witness as a program: what its command line says, done until a signal ends it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Subcommand;
use ivring_guest::{Port, Uuid};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Journal, Work, run_guest, run_host};

/// Which side of a channel a witness is on, and all that it is told.
#[derive(Debug, Subcommand)]
pub enum Program {
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
        /// What it is to do
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
        /// What it is to do
        #[command(flatten)]
        work: Work,
    },
}

fn port(name: &str) -> Result<Port, String> {
    Port::new(name).map_err(|error| error.to_string())
}

impl Program {
    /// Does it, until SIGTERM or Ctrl-C; a guest's also ends when a newer program has its channel.
    ///
    /// # Errors
    ///
    /// The region, the journal or the peer failed.
    pub fn run(self) -> io::Result<()> {
        let end = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&end))?;
        }
        match self {
            Self::Host { region, channels, stale_after, journal, work } => {
                let options = ivring_host::Options {
                    channels,
                    stale_after: Duration::from_secs(stale_after),
                    repeat_window: work.window,
                    ..ivring_host::Options::new(region)
                };
                run_host(options, work, Journal::open(&journal)?, &end)
            }
            Self::Guest { region, id, port, journal, work } => {
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
}
