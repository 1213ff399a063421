//! `ivring-flood`: what the demo runs in a guest to measure the way to the host. Prints a JSON object.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ivring_lab::flood;
use ivring_proto::control::{Client, ClientError, Service, Target};

/// Sends messages to the host for a moment, by way of the running agent, and prints how many went through.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  ivring-flood 1024 500\n\nExit codes: 0 done, else as ivring-agent"
)]
struct Cli {
    /// Length of each message
    #[arg(value_name = "BYTES")]
    bytes: u32,
    /// For how long
    #[arg(value_name = "MILLISECONDS")]
    milliseconds: u32,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ivring-flood: {error}");
            error.code().into()
        }
    }
}

fn run(cli: &Cli) -> Result<String, ClientError> {
    let mut client = Client::connect(Service::Agent, &Service::Agent.path_to_reach())?;
    let span = Duration::from_millis(cli.milliseconds.into());
    let flood = flood(&mut client, &Target::default(), cli.bytes, span)?;
    Ok(serde_json::to_string(&flood).expect("three numbers can be written"))
}
