//! The agent: joins the host's region and answers it. See `ivring_guest::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ivring_guest::cli::main()
}
