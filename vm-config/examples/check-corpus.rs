//! Patches every XML file below a folder, in memory, and checks what comes out.
//!
//! `cargo run -p ivring-vm-config --example check-corpus -- DIR` prints each refusal with its reason, and how many files
//! were patched, had the device already, were refused, and came out wrong. Exit code 1 if any did. The sources of
//! libvirt have some two thousand files to try it on, in `tests/`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ivring_vm_config::{Action, Domain, Plan, Request, Shmem};

/// What became of a file that was not refused.
enum Outcome {
    Patched,
    Unchanged,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: check-corpus DIR");
        return Ok(ExitCode::from(2));
    };
    let request = Request::shared(Shmem::new("fg_i3", "8M".parse()?)?);
    let mut files = Vec::new();
    find(Path::new(&folder), &mut files)?;
    files.sort();
    let (mut patched, mut unchanged, mut refused, mut wrong) = (0, 0, 0, 0);
    for file in &files {
        let content = fs::read(file)?;
        match check(&content, &request) {
            Ok(Ok(Outcome::Patched)) => patched += 1,
            Ok(Ok(Outcome::Unchanged)) => unchanged += 1,
            Ok(Err(reason)) => {
                refused += 1;
                println!("refused  {}:{reason}", file.display());
            }
            Err(what) => {
                wrong += 1;
                println!("WRONG    {}: {what}", file.display());
            }
        }
    }
    let count = files.len();
    println!("{count} files: {patched} patched, {unchanged} unchanged, {refused} refused, {wrong} wrong");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Patches `content`. The outer error is what came out wrong, the inner one why the file is refused.
fn check(content: &[u8], request: &Request) -> Result<Result<Outcome, String>, String> {
    let place = |at: Option<_>| at.map_or(String::new(), |at| format!("{at}:"));
    let domain = match Domain::read(content) {
        Ok(domain) => domain,
        Err(error) => return Ok(Err(format!("{} {error}", place(error.position())))),
    };
    let plan = match Plan::install(&domain, request) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(format!("{} {error}", place(error.at)))),
    };
    let patched = plan.carry_out(&domain);
    let again =
        Domain::read(patched.as_bytes()).map_err(|error| format!("the result is unreadable: {error}"))?;
    let own = again.existing().iter().filter(|shmem| shmem.name() == plan.device().region.name()).count();
    if own != 1 {
        return Err(format!("the result has {own} devices"));
    }
    if again.existing().len() != domain.existing().len() + usize::from(plan.action() == Action::Insert) {
        return Err("the result has other devices than it should".to_owned());
    }
    let second = Plan::install(&again, request).map_err(|error| format!("the result is refused: {error}"))?;
    if second.action() != Action::Nothing || second.carry_out(&again) != patched {
        return Err("a second run changes the result".to_owned());
    }
    if plan.action() == Action::Nothing {
        let same = patched.as_bytes() == content;
        return if same { Ok(Ok(Outcome::Unchanged)) } else { Err("it changed for nothing".to_owned()) };
    }
    let removal = Plan::remove(&again, request).map_err(|error| format!("cannot be removed: {error}"))?;
    if removal.carry_out(&again).as_bytes() != content {
        return Err("without the device again it is not what it was".to_owned());
    }
    Ok(Ok(Outcome::Patched))
}
