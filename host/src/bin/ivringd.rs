//! The host's daemon. See `ivring_host::daemon`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ivring_host::daemon::main()
}
