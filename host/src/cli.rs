//! The program `ivring`.

mod options;

use std::process::ExitCode;

use clap::Parser;
use ivring_proto::control::Code;

use options::Options;

/// Runs `ivring` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    Options::parse();
    eprintln!("ivring has no commands yet");
    Code::Refused.into()
}
