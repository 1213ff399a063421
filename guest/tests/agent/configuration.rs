//! Options from a file.

use std::fs;

use crate::agent::{Agent, Place, stderr, uuid};
use crate::host::{Heard, Host, MIB, format, make_file};

#[test]
fn the_agent_runs_by_a_file_and_the_command_line_wins() {
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 1);
    let host = Host::start(&place.region());
    let config = place.path().join("agent.toml");
    let text = format!(
        "region = {:?}\nid = '{}'\nname = 'of the file'\nsocket = {:?}\nprofile = 'power'\n",
        place.region(),
        uuid(1),
        place.socket()
    );
    fs::write(&config, text).unwrap();
    let mut command = Place::program();
    command.args(["run", "--name", "web1", "--config"]).arg(&config);
    let mut agent = Agent::start(command);
    agent.line_with("options were read from");
    assert_eq!(host.next(), Heard::Attached { channel: 0, name: "web1".into(), resumed: false });
    agent.line_with("attached to region");
    assert_eq!(place.status().1["guest"], uuid(1));
}

#[test]
fn what_is_wrong_in_a_file_ends_the_agent_and_no_other_command() {
    let place = Place::new();
    let config = place.path().join("agent.toml");
    for (text, words) in [
        ("nane = 'web1'", "unknown key `nane`; write one of once, region, pci, memory-type, id, "),
        ("id = 'me'", "invalid value 'me' for '--id <UUID>'"),
        ("pci = '00:1f.0'\nregion = 'x'", "cannot be used with"),
    ] {
        fs::write(&config, text).unwrap();
        let output = Place::program().args(["run", "--config"]).arg(&config).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{text}: {said}");
        assert!(said.contains(config.to_str().unwrap()) && said.contains(words), "{text}: {said}");
    }
    let output = Place::program().args(["status", "--config"]).arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "only run has a configuration: {}", stderr(&output));
}
