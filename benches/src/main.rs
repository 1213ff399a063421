//! `ivring-compare`: ivring beside what somebody would use instead, on this machine, in one run.

use std::{
    fmt::Display,
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use ivring_benches::{
    Extent, Failure, Options, Peer, Report, Row, compare, targets, verdict, vm, work, write_page,
};
use serde::{Serialize, de::DeserializeOwned};

/// Measures ivring and its peers between two cores of this machine
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// Measure for less than a minute instead of ten; with --vm a minute and a half instead of six
    #[arg(long)]
    quick: bool,
    /// How many rounds, instead of 3 or 9 (2 or 9 with --vm)
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<usize>,
    /// Measure these only; the limits count as peers
    #[arg(long, value_name = "NAME", value_enum)]
    peer: Vec<Peer>,
    /// The two processors to use instead of the first two cores
    #[arg(long, value_name = "A,B", value_parser = two_numbers)]
    processors: Option<[usize; 2]>,
    /// Measure between the host and a guest that is booted for it
    #[arg(long, conflicts_with_all = ["peer", "processors"])]
    vm: bool,
    /// Measure these only, in the guest; and not what waiting costs
    #[arg(long, value_name = "NAME", value_enum, requires = "vm")]
    transport: Vec<vm::Transport>,
    /// Say which targets are reached; exit with 1 if one is not
    #[arg(long)]
    check: bool,
    /// Write docs/benchmarks.md, or benchmarks-vm.md, and its pictures from this run
    #[arg(long)]
    write: bool,
    /// Measure nothing, but take a report that was printed with --json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "rounds", "peer", "processors", "transport"])]
    from: Option<PathBuf>,
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
  cargo compare --check                             are the targets reached?
  cargo compare --write                             write docs/benchmarks.md
  cargo compare --vm --quick                        in a guest, in a minute and a half once it is built
  cargo compare --vm --write                        write docs/benchmarks-vm.md
  cargo compare --from report.json --check          the same of a run that was kept
  cargo run --release -p ivring-benches --bin ivring-compare -- --quick     the long form

Close what else uses the processor: measurements that were disturbed are repeated, then marked with a star.

With iceoryx2 and shmem-ipc, which takes libclang to build:
  cargo run --release -p ivring-benches --features peers --bin ivring-compare --

Exit codes: 0 done, 1 a target was not reached (--check), 2 usage, 3 fewer than two processors, a peer that is not built
or a guest that cannot be had, 4 a file that is no report, 5 a measurement or a file failed";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.worker {
        Some(orders) => work(orders).map(|()| true),
        None => run(&cli),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Says whether all that was asked for is so.
fn run(cli: &Cli) -> Result<bool, Failure> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    if cli.vm {
        let report = match &cli.from {
            Some(file) => read(file)?,
            None => measure_in_guest(cli)?,
        };
        if cli.write {
            vm::write_page(&report, &docs)?;
        }
        return tell(cli, &report, &vm::targets(&report));
    }
    let report = match &cli.from {
        Some(file) => read(file)?,
        None => measure(cli)?,
    };
    if cli.write {
        write_page(&report, &docs)?;
    }
    tell(cli, &report, &targets(&report))
}

/// Prints what was asked for, and says whether it is so.
fn tell(cli: &Cli, report: &(impl Serialize + Display), rows: &[Row]) -> Result<bool, Failure> {
    if cli.check && rows.is_empty() {
        eprintln!(
            "no target was measured without disturbance: end what else uses the two processors, and try again"
        );
    }
    let text = match (cli.json, cli.check) {
        (true, true) => json(&rows)?,
        (true, false) => json(report)?,
        (false, true) => format!("{report}\n\n{}", verdict(rows)),
        (false, false) => report.to_string(),
    };
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Io("standard output", error)),
        _ => Ok(!cli.check || !rows.is_empty() && rows.iter().all(Row::holds)),
    }
}

fn extent(cli: &Cli) -> Extent {
    if cli.quick { Extent::Quick } else { Extent::Full }
}

fn measure_in_guest(cli: &Cli) -> Result<vm::Report, Failure> {
    let options = vm::Options { extent: extent(cli), rounds: cli.rounds, transports: cli.transport.clone() };
    vm::compare(&options, |part| eprintln!("{part}"))
}

fn measure(cli: &Cli) -> Result<Report, Failure> {
    let all = || Peer::value_variants().iter().copied().filter(|peer| peer.is_built()).collect();
    let options = Options {
        extent: extent(cli),
        rounds: cli.rounds,
        peers: if cli.peer.is_empty() { all() } else { cli.peer.clone() },
        processors: cli.processors,
    };
    compare(&options, |part| eprintln!("{part}"))
}

fn two_numbers(text: &str) -> Result<[usize; 2], String> {
    let numbers =
        text.split_once(',').and_then(|(one, other)| Some([one.parse().ok()?, other.parse().ok()?]));
    numbers.ok_or_else(|| "two numbers are needed, as in 2,3".to_owned())
}

fn read<R: DeserializeOwned>(file: &Path) -> Result<R, Failure> {
    let text = fs::read(file).map_err(|error| Failure::Io("the report", error))?;
    serde_json::from_slice(&text).map_err(|error| Failure::Report { file: file.display().to_string(), error })
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Io("the report", error.into()))
}
