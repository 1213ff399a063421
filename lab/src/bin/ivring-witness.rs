//! `ivring-witness`: sends numbered messages, checks those that come, and writes both down. For the end-to-end tests.

use std::process::ExitCode;

use clap::Parser;
use ivring_lab::witness::Program;

/// Proves the delivery of messages over an ivring region.
///
/// Runs until SIGTERM or Ctrl-C; a guest's also ends when a newer program has its channel.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    program: Program,
}

const EXAMPLES: &str = "\
Examples:
  ivring-witness host --region fg_i3 --journal host.journal --send 10000
  ivring-witness guest --port witness --journal /tmp/journal --send 10000
  ivring-witness guest --port witness --journal /tmp/journal --large 3 --echo --ping

Exit codes: 0 ended by a signal, 2 usage, 5 the region, the journal or the peer failed";

fn main() -> ExitCode {
    match Cli::parse().program.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ivring-witness: {error}");
            ExitCode::from(5)
        }
    }
}
