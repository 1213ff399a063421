//! The checks, in the order in which they find the most the soonest.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{Check, Tally, no_std};
use crate::cargo::{cargo, into_folder, with_flags};
use crate::packages::{prepare_compiler, prepare_guest_agent, prepare_python};
use crate::{
    Artifacts, Consent, Error, Fuzz, FuzzTarget, elf, fuzz, prepare, prepare_ansible, prepare_libvirt,
    workspace,
};

/// The agent travels into every guest: it must stay smaller than this.
const AGENT_LIMIT: usize = 6 << 20;
/// How many histories the crash simulation runs here; a plain `cargo test` runs fewer.
const CRASH_SEEDS: &str = "200000";
/// How long each target is fuzzed here.
const FUZZ_SMOKE: Duration = Duration::from_secs(10);

pub(super) fn all(consent: Consent) -> Vec<Check> {
    let mut checks = vec![
        Check::new("programs for the tests", move |_| programs(consent)),
        component("format", "fmt", &["fmt", "--all", "--check"]),
        component("clippy", "clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Check::new("docs", |bench| {
            let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            bench.check("docs", command)
        }),
        Check::new("agent: static, stripped, small", |_| agent()),
        Check::new("tests", |bench| bench.test("tests", cargo(&["test", "--workspace", "--no-fail-fast"]))),
        Check::new("benches run once", |bench| {
            bench.check("benches", cargo(&["test", "--workspace", "--benches", "--no-fail-fast"]))
        }),
        Check::new("crash simulation", |bench| {
            let mut command = cargo(&["test", "-p", "ivring-proto", "--release", "--test", "ring_crash"]);
            command.env("IVRING_CRASH_SEEDS", CRASH_SEEDS);
            bench.test("crash simulation", command)
        }),
        Check::new("fuzz smoke", move |_| fuzz_smoke(consent)),
        Check::new("kill every store", |bench| {
            bench.check("kill every store", cargo(&["run", "-p", "ivring-lab", "--", "kill-every-store"]))
        }),
        Check::new("chaos", |bench| {
            bench.check("chaos", cargo(&["run", "-p", "ivring-lab", "--", "chaos", "--rounds", "60"]))
        }),
        Check::new("loom models", |bench| {
            let mut tally = Tally::default();
            for arguments in loom_tests()? {
                let mut command = cargo(&["test", "-p", "ivring-proto"]);
                for_loom(&mut command, "loom");
                command.args(arguments.split(' '));
                tally = tally + bench.test("loom models", command)?;
            }
            Ok(tally)
        }),
    ];
    checks.extend(no_std::checks());
    checks
}

/// Makes a cargo command compile for loom, into a folder of its own.
pub(super) fn for_loom(command: &mut Command, folder: &str) {
    with_flags(command, &["--cfg", "loom"]);
    into_folder(command, folder);
    // Models are compiled more often than they run: optimised, but without the slow last step of a release.
    command
        .arg("--release")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
}

/// The arguments that run the models, and nothing else: other tests do not run under loom. A model is a file of its own,
/// or a test in a module `loom_...` beside the code.
fn loom_tests() -> Result<Vec<String>, Error> {
    let folder = workspace::root().join("proto/tests");
    let entries = fs::read_dir(&folder).map_err(Error::io(format!("cannot read {}", folder.display())))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let models = names
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|n| n.starts_with("loom_"));
    let arguments: String = models.map(|model| format!(" --test {model}")).collect();
    if arguments.is_empty() {
        return Err(Error::Failed(format!("there is no loom model in {}", folder.display())));
    }
    Ok(vec!["--lib loom_".to_owned(), arguments.trim_start().to_owned()])
}

/// Installs what tests need. Without it those tests are skipped, each of them saying so.
fn programs(consent: Consent) -> Result<Tally, Error> {
    let prepared = prepare(None, consent)
        .and_then(|_| prepare_python(consent))
        .and_then(|()| prepare_compiler(consent))
        .and_then(|()| prepare_libvirt(consent))
        .and_then(|()| prepare_ansible(consent))
        .and_then(|()| prepare_guest_agent(consent).map(drop));
    match prepared {
        Ok(()) => Ok(Tally::PASSED),
        Err(Error::Refused(reason)) => {
            eprintln!("    {reason}");
            Ok(Tally { skipped: 1, ..Tally::default() })
        }
        Err(error) => Err(error),
    }
}

/// A check that needs a component of the toolchain that may not be installed.
fn component(name: &'static str, subcommand: &'static str, arguments: &'static [&'static str]) -> Check {
    Check::new(name, move |bench| {
        let there = cargo(&[subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
        if !there {
            return Err(Error::Failed(format!(
                "cargo {subcommand} is not installed, so the check cannot be done: rustup component add {}",
                if subcommand == "fmt" { "rustfmt" } else { subcommand }
            )));
        }
        bench.check(name, cargo(arguments))
    })
}

/// Every target for a moment, to see that fuzzing works and that nothing is found at once. Each counts as a check.
fn fuzz_smoke(consent: Consent) -> Result<Tally, Error> {
    let targets = FuzzTarget::each(&[FuzzTarget::All]);
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    match fuzz(&Fuzz { targets, time: FUZZ_SMOKE, jobs: None, consent: consent.without_asking() }) {
        Ok(0) => Ok(Tally { passed: count, ..Tally::default() }),
        Ok(findings) => Ok(Tally { failed: u32::try_from(findings).unwrap_or(u32::MAX), ..Tally::default() }),
        Err(Error::Refused(reason)) => {
            eprintln!("    {reason}");
            Ok(Tally { skipped: count, ..Tally::default() })
        }
        Err(error) => Err(error),
    }
}

fn agent() -> Result<Tally, Error> {
    let path = Artifacts::build()?.agent;
    let program = elf::inspect(&path)?;
    eprintln!("    {} bytes: {}", program.size, path.display());
    if program.is_static && program.is_stripped && program.size < AGENT_LIMIT {
        return Ok(Tally::PASSED);
    }
    Err(Error::Failed(format!(
        "the agent must be static, stripped and below {AGENT_LIMIT} bytes, and is {program:?}"
    )))
}
