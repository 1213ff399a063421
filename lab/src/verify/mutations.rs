//! Weakened sources: each named ordering, fence and sum is broken once, and the test that is named for it must fail.
//!
//! The list is `lab/mutations.toml`, an array of tables `[[mutation]]`:
//!
//! | key | what it is |
//! | --- | --- |
//! | `name` | what is broken |
//! | `file` | the source file, from the root of the workspace |
//! | `find` | a text that occurs in it exactly once |
//! | `replace` | what stands there instead |
//! | `run` | the arguments of `cargo test -p ivring-proto` that run the test; after `loom: ` it is run as a model |
//!
//! A compile error does not count as noticed, nor does a test that never ends. Each test must pass, and be there, while
//! nothing is broken.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::bench::{Bench, Ended, show};
use super::checks::for_loom;
use super::{Check, Tally, tree};
use crate::cargo::{cargo, folder, into_folder};
use crate::{Error, workspace};

const LIST: &str = "lab/mutations.toml";
/// Many times what each of the tests takes.
const LIMIT: Duration = Duration::from_secs(300);
/// What cargo says when a test program fails, but not when it does not compile.
const TEST_FAILED: &str = "error: test failed";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutation: Vec<Mutation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    name: String,
    file: PathBuf,
    find: String,
    replace: String,
    run: String,
}

/// Copies the sources and lists the checks: first every test on the unchanged copy, then each mutation.
pub(super) fn all() -> Result<Vec<Check>, Error> {
    let path = workspace::root().join(LIST);
    let text = fs::read_to_string(&path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    let list: List = toml::from_str(&text).map_err(|error| Error::Failed(format!("{LIST}: {error}")))?;
    tree::copy(&copy())?;
    let tests: BTreeSet<_> = list.mutation.iter().map(|mutation| mutation.run.clone()).collect();
    let unchanged = tests.into_iter().map(|run| {
        Check::new(format!("unchanged: {run}"), move |bench| {
            let ended = test(bench, &run)?;
            let tally = Tally::of_tests(&ended.output, ended.succeeded);
            if tally.failed > 0 || tally.passed == 0 {
                show(&ended.output);
                return Err(Error::Failed(format!("{tally} while nothing is changed: see `run` in {LIST}")));
            }
            Ok(Tally::PASSED)
        })
    });
    let mutated = list.mutation.iter().cloned().map(|mutation| {
        Check::new(format!("mutation: {}", mutation.name), move |bench| mutation.check(bench))
    });
    Ok(unchanged.chain(mutated).collect())
}

fn copy() -> PathBuf {
    folder("mutants").join("tree")
}

impl Mutation {
    fn check(&self, bench: &Bench) -> Result<Tally, Error> {
        let path = copy().join(&self.file);
        let source =
            fs::read_to_string(&path).map_err(Error::io(format!("cannot read {}", path.display())))?;
        let write = |text: &str| {
            fs::write(&path, text).map_err(Error::io(format!("cannot write {}", path.display())))
        };
        write(&self.apply(&source)?)?;
        let ended = test(bench, &self.run);
        write(&source)?;
        let ended = ended?;
        if ended.output.contains(TEST_FAILED) {
            return Ok(Tally::PASSED);
        }
        show(&ended.output);
        Err(Error::Failed(format!("{}: no test noticed it", self.name)))
    }

    fn apply(&self, source: &str) -> Result<String, Error> {
        match source.matches(&self.find).count() {
            1 => Ok(source.replace(&self.find, &self.replace)),
            count => Err(Error::Failed(format!(
                "{}: `find` occurs {count} times in {}, where it must occur once; mend {LIST}",
                self.name,
                self.file.display()
            ))),
        }
    }
}

fn test(bench: &Bench, run: &str) -> Result<Ended, Error> {
    let mut command = cargo(&["test", "-p", "ivring-proto"]);
    let arguments = match run.strip_prefix("loom: ") {
        Some(arguments) => {
            for_loom(&mut command, "mutants/loom");
            arguments
        }
        None => {
            into_folder(&mut command, "mutants/target");
            run
        }
    };
    command.args(arguments.split_whitespace()).current_dir(copy());
    bench.run("mutation", command, LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation() -> Mutation {
        let text = "name = 'n'\nfile = 'f'\nfind = '+ 8'\nreplace = ''\nrun = '--lib'";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_to_be_changed_must_be_there_once() {
        assert_eq!(mutation().apply("a + 8 < b").unwrap(), "a  < b");
        for source in ["a < b", "a + 8 < b + 8"] {
            assert!(mutation().apply(source).is_err());
        }
    }
}
