//! The checks of both doctors: each has a row in the operator's guide, and a test that makes it fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ivring_lab::build_vm_config;
use ivring_proto::check::Line;
use serde_json::Value;

/// Where the checks are, and where they are made to fail.
const SOURCES: [&str; 3] = ["proto/src/check", "host/src/cli/doctor", "guest/src/doctor"];
const TESTS: [&str; 2] = ["host/tests/doctor", "guest/tests/doctor"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the lab is a folder of the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the sources are text")
}

/// The text of all files in the folder.
fn all(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let rust = files.filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| read(&path)).collect()
}

/// The names of checks in a source: what `CHECK` is, what a step of a chain is called, and what silence is a line of.
fn names(source: &str) -> impl Iterator<Item = &str> {
    let program = source.split("#[cfg(test)]").next().unwrap_or_default();
    let pieces: Vec<&str> = program.split('"').collect();
    let texts: Vec<(&str, &str)> = pieces.windows(2).map(|pair| (pair[0], pair[1])).collect();
    texts.into_iter().filter_map(|(before, text)| {
        let before = before.trim_end();
        ["CHECK: &str =", ".step(", ".line("].into_iter().any(|begin| before.ends_with(begin)).then_some(text)
    })
}

/// The names in the first column of the guide's table.
fn explained() -> BTreeSet<String> {
    let guide = read(&root().join("docs/operating.md"));
    let (_, section) = guide.split_once("## Doctor").expect("the guide has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split_once("` |")).map(|(name, _)| name);
    // The other table is of verdicts.
    names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')).map(str::to_owned).collect()
}

#[test]
fn every_check_is_explained_and_tested() {
    let sources: Vec<String> = SOURCES.into_iter().flat_map(all).collect();
    let checks: BTreeSet<String> =
        sources.iter().flat_map(|source| names(source)).map(str::to_owned).collect();
    assert!(checks.len() >= 25, "only {} checks were found: {checks:?}", checks.len());
    assert_eq!(explained(), checks, "the table of docs/operating.md, and the checks that there are");
    let tests = TESTS.into_iter().flat_map(all).collect::<String>();
    for check in checks {
        let fails = ["failed", "pending", "unknown"]
            .into_iter()
            .any(|verdict| tests.contains(&format!("assert(\"{check}\", \"{verdict}\"")));
        let by_variable = ["power-cycle", "managed-save", "host", "domain"].contains(&check.as_str());
        assert!(fails || by_variable, "no test makes {check} anything but OK");
    }
}

#[test]
fn lines_of_vm_config_are_those_of_the_doctors() {
    let program = build_vm_config().expect("the program compiles");
    let check = |more: &[&str]| {
        let mut command = Command::new(&program);
        // A libvirt of virsh itself, if there is one at all.
        let done = command.args(["host", "check", "-c", "test:///default"]).args(more).output();
        String::from_utf8(done.expect("it starts").stdout).expect("text")
    };
    let json: Value = serde_json::from_str(&check(&["--json"])).expect("a list");
    let lines: Vec<Line> = serde_json::from_value(json.clone()).expect("a list of lines");
    assert!(lines.len() >= 5, "{lines:?}");
    assert_eq!(serde_json::to_value(&lines).expect("it can be written"), json);
    // Numbers may have changed meanwhile; verdict and name stand in the same columns.
    let begin = |line: &str| line.chars().take(26).collect::<String>();
    let text = check(&[]);
    let told: Vec<String> = text.lines().filter(|line| !line.starts_with(' ')).map(begin).collect();
    let ours: Vec<String> = lines.iter().map(|line| begin(&line.to_string())).collect();
    assert_eq!(told, ours);
}
