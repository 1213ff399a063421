//! `ivring-compare-guest`: the guest's part in `cargo compare --vm`, which starts it there for each measurement.

use std::process::ExitCode;

use ivring_benches::vm::serve;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(orders), None) = (arguments.next(), arguments.next()) else {
        eprintln!("cargo compare --vm starts this in its guest; it takes its orders as one argument");
        return ExitCode::from(2);
    };
    match serve(&orders) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
