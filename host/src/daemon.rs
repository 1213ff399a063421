//! The program `ivringd`.

mod options;

use std::process::ExitCode;

use clap::Parser;
use ivring_proto::control::Code;

use options::Options;

/// Runs `ivringd` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    Options::parse();
    eprintln!("ivringd cannot serve a region yet");
    Code::Refused.into()
}
