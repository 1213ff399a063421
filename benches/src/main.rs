//! `ivring-compare`: ivring beside what somebody would use instead, on this machine, in one run.

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use ivring_benches::{Extent, Failure, Options, Peer, compare, tables, work};

/// Measures ivring and its peers between two cores of this machine
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// Measure for less than a minute instead of less than ten
    #[arg(long)]
    quick: bool,
    /// How many rounds, instead of 3 or 9
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// Measure these only; the limits count as peers
    #[arg(long, value_name = "NAME", value_enum)]
    peer: Vec<Peer>,
    /// The two processors to use instead of the first two
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 2)]
    processors: Vec<usize>,
    /// Print every sample and median as JSON instead of tables
    #[arg(long)]
    json: bool,
    /// What a worker of this program is told
    #[arg(long, value_name = "JSON", hide = true, exclusive = true)]
    worker: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  cargo compare --quick                             everybody, in less than a minute
  cargo compare                                     everybody, in less than ten minutes
  cargo compare --quick --peer ring --peer pipe     only these two
  cargo compare --json > report.json                every sample
  cargo run --release -p ivring-benches --bin ivring-compare -- --quick     the long form

Close what else uses the processor: measurements that were disturbed are repeated, then marked with a star.

Exit codes: 0 done, 2 usage, 3 fewer than two processors, 5 a measurement failed";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.worker {
        Some(orders) => work(orders),
        None => run(&cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let options = Options {
        extent: if cli.quick { Extent::Quick } else { Extent::Full },
        rounds: cli.rounds,
        peers: if cli.peer.is_empty() { Peer::value_variants().to_vec() } else { cli.peer.clone() },
        processors: cli.processors.first_chunk().copied(),
    };
    let report = compare(&options, |part| eprintln!("{part}"))?;
    let text = if cli.json {
        serde_json::to_string_pretty(&report).map_err(|error| Failure::Io("the report", error.into()))?
    } else {
        tables(&report)
    };
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Io("standard output", error)),
        _ => Ok(()),
    }
}
