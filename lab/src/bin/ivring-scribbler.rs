//! `ivring-scribbler`: writes garbage over a region. For tests and for `ivring-lab attack`, on regions made for it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ivring_guest::discover::discover;
use ivring_lab::{Error, scribble};
use ivring_proto::memory::MappedFile;

/// Writes garbage over an ivring region, and destroys what is in it.
///
/// Prints what it wrote as a JSON object.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// The region's file; without it the memory of the ivshmem device
    #[arg(long, value_name = "FILE")]
    region: Option<PathBuf>,
    /// Where the row of random numbers begins
    #[arg(long, default_value = "0")]
    seed: u64,
    /// For how long
    #[arg(long, value_name = "SECONDS")]
    seconds: u64,
}

const EXAMPLES: &str = "\
Examples:
  ivring-scribbler --seconds 60                                 in a guest, over all it can see
  ivring-scribbler --seconds 60 --region /dev/shm/scratch       the same by a process of the host

Exit codes: 0 done, 2 usage, 5 the region cannot be mapped, or there is none";

fn main() -> ExitCode {
    let Cli { region, seed, seconds } = Cli::parse();
    let scribbled = map(region.as_deref())
        .and_then(|memory| scribble(&memory, seed, Duration::from_secs(seconds)))
        .and_then(|scribbled| {
            serde_json::to_writer(io::stdout(), &scribbled)
                .map_err(|error| Error::Failed(format!("cannot print what was written: {error}")))
        });
    match scribbled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ivring-scribbler: {error}");
            error.exit_code()
        }
    }
}

fn map(region: Option<&Path>) -> Result<MappedFile, Error> {
    let Some(path) = region else {
        let bar = discover(Path::new("/"), None).map_err(|error| Error::Failed(error.to_string()))?;
        let place = format!("cannot map the memory of {}", bar.device().address());
        return MappedFile::map(bar.file(), bar.size()).map_err(Error::io(place));
    };
    let failed = || Error::io(format!("cannot map {}", path.display()));
    let file = File::options().read(true).write(true).open(path).map_err(failed())?;
    let size = file.metadata().map_err(failed())?.len();
    MappedFile::map(&file, size).map_err(failed())
}
