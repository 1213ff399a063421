//! The messages that the operator's guide explains are those that the programs have.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the lab is a folder of the workspace")
}

/// The sources of the programs, with the line breaks inside of texts taken out.
fn sources() -> String {
    let mut folders: Vec<PathBuf> =
        ["proto", "host", "guest"].iter().map(|package| root().join(package).join("src")).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are there").filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&read(&path));
            }
        }
    }
    let mut joined = String::new();
    for part in text.split("\\\n") {
        joined.push_str(if joined.is_empty() { part } else { part.trim_start() });
    }
    joined
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the sources are text")
}

#[test]
fn every_message_that_is_explained_exists() {
    let guide = read(&root().join("docs/operating.md"));
    let (_, tables) = guide.split_once("## Messages and remedies").expect("the guide has the section");
    let messages: Vec<_> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split_once("` |"))
        .map(|(message, _)| message)
        .collect();
    assert!(messages.len() >= 30, "only {} messages were found", messages.len());
    let sources = sources();
    for message in messages {
        for fragment in message.split('…').map(str::trim).filter(|fragment| fragment.len() > 3) {
            assert!(sources.contains(fragment), "no program says {fragment:?} of {message:?}");
        }
    }
}
