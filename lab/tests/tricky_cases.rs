//! The tricky cases of domains and their devices are numbered, and each number has a test that bears it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many there are.
const CASES: u32 = 55;

/// The sources below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The numbers in the name of a test: `41` and `51` of `case_41_and_case_51_no_place(..`.
fn numbers(name: &str) -> impl Iterator<Item = u32> {
    let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    name.split("case_").skip(1).filter_map(|rest| rest.split('_').next()?.parse().ok())
}

#[test]
fn every_case_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut found = BTreeSet::new();
    for folder in ["vm-config/tests", "lab/tests"] {
        for source in sources(&root.join(folder)) {
            let text = fs::read_to_string(&source).expect("it can be read");
            for (at, _) in text.match_indices("fn case_") {
                let (before, name) = text.split_at(at);
                // Among the lines above, up to the end of the function before.
                let attributes = before.rsplit('}').next().unwrap_or_default();
                assert!(attributes.contains("#[test]"), "{}: {:.60} is no test", source.display(), name);
                found.extend(numbers(&name["fn ".len()..]));
            }
        }
    }
    let missing: Vec<u32> = (1..=CASES).filter(|number| !found.contains(number)).collect();
    assert!(missing.is_empty(), "no test bears the numbers {missing:?}");
    assert!(found.iter().all(|number| (1..=CASES).contains(number)), "there are {CASES} cases: {found:?}");
}
