//! Runs inputs of a target: those that a fuzzer found, or made by hand.

use std::process::ExitCode;
use std::{env, fs};

use ivring_fuzz::Target;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let target = arguments.next().as_deref().and_then(Target::named);
    let files: Vec<String> = arguments.collect();
    let (Some(target), false) = (target, files.is_empty()) else {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.name).collect();
        eprintln!("usage: ivring-fuzz TARGET FILE...\ntargets: {}", names.join(", "));
        return ExitCode::from(2);
    };
    for file in files {
        match fs::read(&file) {
            // A finding panics.
            Ok(input) => target.run(&input),
            Err(error) => {
                eprintln!("ivring-fuzz: cannot read {file}: {error}");
                return ExitCode::from(5);
            }
        }
        println!("{file}: no finding");
    }
    ExitCode::SUCCESS
}
