//! Builds what fuzzing needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::FuzzTarget;
use crate::artifacts::{build_in, find};
use crate::cargo::{cargo, folder};
use crate::{Error, workspace};

/// What the compiler counts, and the engine looks at: every edge, and both sides of every comparison. Stable compilers can do
/// it, as it is a pass of LLVM's; cargo-fuzz, which does the same with a flag of nightly ones, is not needed.
const INSTRUMENTED: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// An explicit target keeps the flags from macros and build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The only program that can be linked so: it brings what the counters call.
const PROGRAM: &str = "ivring-fuzz-engine";
/// Where the tests of `ivring-fuzz` write the inputs to begin with.
const SEEDS: &str = "IVRING_FUZZ_SEEDS";

/// The engine, and what it begins with.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) program: PathBuf,
    home: PathBuf,
}

impl Engine {
    /// Builds the engine, or finds it up to date, and has the inputs written to begin with.
    pub(super) fn build() -> Result<Self, Error> {
        let package = ["-p", "ivring-fuzz", "--bin", PROGRAM, "--features", "engine"];
        let arguments = [&package[..], &["--profile", "fuzz", "--target", TARGET]].concat();
        let built = build_in("fuzz-engine", &arguments, &INSTRUMENTED)?;
        let engine = Engine { program: find(&built, PROGRAM)?, home: folder("fuzz") };
        engine.write_seeds()?;
        Ok(engine)
    }

    fn write_seeds(&self) -> Result<(), Error> {
        let seeds = self.home.join("seeds");
        if seeds.exists() {
            fs::remove_dir_all(&seeds).map_err(Error::io(format!("cannot remove {}", seeds.display())))?;
        }
        let mut command = cargo(&["test", "-p", "ivring-fuzz", "--lib"]);
        let output = command.env(SEEDS, &seeds).stderr(Stdio::inherit()).output();
        let output = output.map_err(Error::io("cannot start cargo"))?;
        if output.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&output.stdout);
        Err(Error::Failed(format!("the tests that write inputs to begin with fail:\n{told}")))
    }

    /// A folder of a target's, made if it is not there: `corpus`, `seeds` or `findings`.
    pub(super) fn folder(&self, kind: &str, target: FuzzTarget) -> Result<PathBuf, Error> {
        let folder = self.home.join(kind).join(target.name());
        fs::create_dir_all(&folder).map_err(Error::io(format!("cannot make {}", folder.display())))?;
        Ok(folder)
    }

    /// The words of a target's language, where it has one.
    pub(super) fn dictionary(target: FuzzTarget) -> Option<PathBuf> {
        let file = workspace::root().join("fuzz/dictionaries").join(format!("{target}.dict"));
        file.is_file().then_some(file)
    }
}

/// Builds the target without an engine, and runs one input.
pub(super) fn run_input(target: FuzzTarget, file: &Path) -> Result<bool, Error> {
    let built = build_in("fuzz-plain", &["-p", "ivring-fuzz", "--bin", "ivring-fuzz"], &[])?;
    let status = Command::new(find(&built, "ivring-fuzz")?).arg(target.name()).arg(file).status();
    Ok(status.map_err(Error::io("cannot start ivring-fuzz"))?.success())
}
