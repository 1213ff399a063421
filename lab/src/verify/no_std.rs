//! The protocol crate really needs nothing but `core`.
//!
//! A build with default features off proves nothing by itself: `std` is there on the build machine, and a dependency may
//! use it. So the crate is built with a sysroot that holds only `core` and `compiler_builtins`. And because a check that
//! can never fail proves nothing either, a use of `std` and one of `alloc` are planted in copies, and must fail.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::bench::{Bench, show};
use super::{Check, Tally, tree};
use crate::Error;
use crate::cargo::{cargo, folder, into_folder, with_flags};

const LIMIT: Duration = Duration::from_secs(300);
/// "can't find crate": the compiler's answer where `std` or `alloc` is not there.
const NOT_THERE: &str = "E0463";

/// The check of the sources, and one for each planted use.
pub(super) fn checks() -> Vec<Check> {
    let plant = |name: &'static str, line: &'static str| {
        Check::new(format!("no_std: a planted use of {name} is found"), move |bench| {
            planted(bench, name, line)
        })
    };
    vec![
        Check::new("no_std", |bench| {
            let ended = bench.run("no_std", build()?, LIMIT)?;
            if ended.succeeded {
                return Ok(Tally::PASSED);
            }
            show(&ended.output);
            Ok(Tally::FAILED)
        }),
        plant("std", "extern crate std;\npub use std::vec::Vec as Planted;\n"),
        plant("alloc", "extern crate alloc;\npub use alloc::vec::Vec as Planted;\n"),
    ]
}

fn planted(bench: &Bench, name: &str, line: &str) -> Result<Tally, Error> {
    let copy = folder("no-std").join(format!("planted-{name}"));
    bench.remove_at_end(&copy)?;
    tree::copy(&copy)?;
    let root = copy.join("proto/src/lib.rs");
    let source = fs::read_to_string(&root).map_err(Error::io(format!("cannot read {}", root.display())))?;
    fs::write(&root, source + line).map_err(Error::io(format!("cannot write {}", root.display())))?;
    let mut command = build()?;
    command.current_dir(&copy);
    let ended = bench.run(&format!("planted {name}"), command, LIMIT)?;
    if !ended.succeeded && ended.output.contains(NOT_THERE) {
        return Ok(Tally::PASSED);
    }
    eprintln!("    a planted use of {name} did not fail with {NOT_THERE}:");
    show(&ended.output);
    Ok(Tally::FAILED)
}

/// The build with the small sysroot; only what is built for `--target` sees it, not macros and build scripts.
fn build() -> Result<Command, Error> {
    let version = rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Error::Failed("rustc -vV does not name its host".to_owned()))?;
    let sysroot = small_sysroot(Path::new(rustc(&["--print", "sysroot"])?.trim()), host)?;
    let mut command = cargo(&["build", "-p", "ivring-proto", "--no-default-features", "--target", host]);
    with_flags(&mut command, &["--sysroot", &sysroot.display().to_string()]);
    into_folder(&mut command, "no-std");
    Ok(command)
}

fn rustc(arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new("rustc").args(arguments).output().map_err(Error::io("cannot start rustc"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes a sysroot of links to `core` and `compiler_builtins` of the real one.
fn small_sysroot(real: &Path, host: &str) -> Result<PathBuf, Error> {
    let small = folder("no-std").join("sysroot");
    let libraries = Path::new("lib/rustlib").join(host).join("lib");
    let (from, to) = (real.join(&libraries), small.join(&libraries));
    let writing = || Error::io(format!("cannot write to {}", to.display()));
    if to.exists() {
        fs::remove_dir_all(&to).map_err(writing())?;
    }
    fs::create_dir_all(&to).map_err(writing())?;
    for entry in fs::read_dir(&from).map_err(Error::io(format!("cannot read {}", from.display())))? {
        let entry = entry.map_err(Error::io(format!("cannot read {}", from.display())))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("libcore-") || name.starts_with("libcompiler_builtins-") {
            symlink(entry.path(), to.join(&name)).map_err(writing())?;
        }
    }
    Ok(small)
}
