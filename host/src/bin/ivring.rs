//! The operator's command line. See `ivring_host::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ivring_host::cli::main()
}
