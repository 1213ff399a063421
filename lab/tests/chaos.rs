//! Programs killed at every store and at any time, by the commands of the lab that do it at length.

use std::process::{Command, Output};

/// Runs a command of the lab.
fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivring-lab")).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The numbers in the last line of the output.
fn counts(output: &Output) -> Vec<u64> {
    let said = text(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    last.split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[test]
fn each_store_may_be_the_last() {
    // All of them are a check of their own.
    let output = lab(&["kill-every-store", "--every", "5"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.ends_with(" repeats, all marked\n") && said.contains(": 0 lost, 0 reordered, "), "{said}");
    let [deaths, places, 0, 0, repeats] = counts(&output)[..] else { panic!("{said}") };
    assert!(deaths > 200 && places > 100 && repeats > 50, "it has gone where it is meant to: {said}");
}

#[test]
fn a_store_that_is_never_made_is_missed() {
    for (word, play) in [("seen", "the host admits a guest"), ("hint", "the host publishes")] {
        let output = lab(&["kill-every-store", "--withhold", word, "--only", play]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {said}");
        let (_, evidence) =
            said.trim_end().rsplit_once("the journals are in ").expect("it says where they are");
        let journals = std::fs::read_to_string(evidence).expect("they are there");
        assert!(journals.contains("Start { life: ") && journals.contains("Received { peer: "), "{journals}");
    }
}
