//! Section 9 of the protocol names, for each sentence of the promise, a test that shows it.

use std::fs;
use std::path::Path;

/// Where the tests are that a word before a name stands for.
const PLACES: [(&str, &str); 6] = [
    ("e2e", "lab/tests/end_to_end/"),
    ("exchange", "proto/tests/exchange/"),
    ("session", "proto/tests/session/"),
    ("crash", "proto/tests/ring_crash.rs"),
    ("lab", "lab/tests/"),
    ("writers", "lab/tests/second_writers/"),
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a text, each with the place it is in: in backquotes, after a word for the place or another name.
fn named(text: &str) -> Vec<(&'static str, String)> {
    let mut place = None;
    let mut named = Vec::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 0 {
            let word = part.split_whitespace().last().unwrap_or_default();
            let other = PLACES.iter().find(|(name, _)| *name == word);
            // Between names of one place stands a comma.
            place = other.map(|(_, path)| *path).or(place.filter(|_| part.trim() == ","));
        } else if let Some(place) = place {
            named.push((place, part.to_owned()));
        }
    }
    named
}

#[test]
fn every_sentence_of_the_promise_names_a_test_that_exists() {
    let protocol = read("docs/protocol.md");
    let (_, section) = protocol.split_once("## 9. Delivery\n").expect("the section");
    let (section, _) = section.split_once("\n## 10.").expect("an end");
    let (_, clauses) = section.split_once("**9.1**").expect("the first clause");

    let promises = clauses.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| -"));
    for row in promises.filter(|line| *line != "| promise | shown by |") {
        assert!(!named(row).is_empty(), "no test is named for: {row}");
    }
    for clause in clauses.split("**9.").filter(|clause| !clause.contains("\n| ")) {
        assert!(!named(clause).is_empty(), "no test is named for: 9.{clause}");
    }
    for (place, name) in named(clauses) {
        let (file, test) = match name.split_once("::") {
            Some((module, test)) => (format!("{place}{module}.rs"), test),
            None => (place.to_owned(), name.as_str()),
        };
        let tested = format!("#[test]\nfn {test}()");
        assert!(read(&file).contains(&tested), "there is no test {test} in {file}");
    }
}
