//! Options from a file.

use std::fs;
use std::path::PathBuf;

use crate::place::Place;
use crate::running::Daemon;

/// Writes a configuration and returns its path.
fn written(place: &Place, text: &str) -> PathBuf {
    let path = place.directory().join("ivringd.toml");
    fs::write(&path, text).expect("the file is written");
    path
}

#[test]
fn a_file_stands_for_options_and_the_command_line_wins() {
    let place = Place::new();
    let text = format!("region = ['{}', '{}']\nsize = '1M'\nchannels = 7\n", place.region(), place.pattern());
    let config = written(&place, &text);
    let config = config.to_str().expect("text");

    let daemon = Daemon::start_with(&place, &["--config", config]);
    let region = &daemon.status()["regions"][0];
    assert_eq!(region["region"], place.region(), "{region}");
    assert_eq!(region["channels"], 7, "{region}");
    assert_eq!(place.region_path().metadata().expect("it is there").len(), 1 << 20);
    drop(daemon);

    let (code, text) = Daemon::fails_with(&place, &["--config", config, "--channels", "8"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("7 channels") && text.contains("8 in"), "{text}");

    let other = Place::new();
    let daemon = Daemon::start_with(&other, &["--config", config, "--region", other.region()]);
    let regions = daemon.status()["regions"].clone();
    assert_eq!(regions.as_array().expect("a list").len(), 1, "the file's region is replaced: {regions}");
    assert_eq!(regions[0]["channels"], 7, "{regions}");
}

#[test]
fn what_is_wrong_in_a_file_ends_the_daemon_with_nothing_touched() {
    let place = Place::new();
    let region = format!("region = '{}'\n", place.region());
    for (line, words) in [
        ("sise = '1M'", "unknown key `sise`; write one of region, size, channels, "),
        ("size = '1T'", "invalid value '1T' for '--size <BYTES>': write a number of bytes"),
        ("profile = 'fast'", "[possible values: latency, balanced, power]"),
        ("channels = ", "line 2"),
    ] {
        let config = written(&place, &(region.clone() + line));
        let config = config.to_str().expect("text");
        let (code, text) = Daemon::fails_with(&place, &["--config", config]);
        assert_eq!(code, 4, "{line}: {text}");
        assert!(text.contains(config) && text.contains(words), "{line}: {text}");
        assert!(!place.socket().exists() && !place.region_path().exists(), "{line}");
    }
    let (code, text) = Daemon::fails_with(&place, &["--config", "/nonexistent/x.toml"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("cannot read /nonexistent/x.toml"), "{text}");
}
