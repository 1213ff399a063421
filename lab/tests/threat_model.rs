//! The threat model names, for each threat, a test that shows what comes of it.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The last cell of each row of each table, without the heads of the tables.
fn last_cells(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: Option<&&str>| line.is_some_and(|line| line.starts_with("| ---"));
    let rows = lines.iter().enumerate().filter(|(index, line)| {
        line.starts_with("| ") && !is_rule(Some(line)) && !is_rule(lines.get(index + 1))
    });
    rows.map(|(_, row)| row.trim_end_matches('|').rsplit('|').next().unwrap_or_default()).collect()
}

/// Words in backquotes: `path.rs` names the file of those without one after it.
fn tests_in(cell: &str) -> Vec<(&str, &str)> {
    let mut file = "";
    let mut tests = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        let (path, test) = name.split_once(".rs::").map_or((file, name), |(path, test)| (path, test));
        file = path;
        tests.push((path, test));
    }
    tests
}

#[test]
fn every_threat_names_a_test_that_exists() {
    let model = read("docs/threat-model.md");
    let (_, threats) = model.split_once("## Threats").expect("the section");
    let cells = last_cells(threats);
    assert!(cells.len() > 40, "{} threats", cells.len());
    for cell in cells {
        let tests = tests_in(cell);
        assert!(!tests.is_empty(), "no test is named: {cell}");
        for (file, test) in tests {
            let source = read(&format!("{file}.rs"));
            // Other attributes may stand between.
            let found = source.split("#[test]").skip(1).any(|after| {
                after.split_once("fn ").is_some_and(|(_, rest)| rest.starts_with(&format!("{test}(")))
            });
            assert!(found, "there is no test {test} in {file}.rs");
        }
    }
}
