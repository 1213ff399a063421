//! Somebody writes other bytes over a region's file, in place.

use std::fs::{self, File};
use std::io::Write as _;

use crate::daemon::Daemon;
use crate::heartbeat;
use crate::program::Program;
use crate::setup::lab_without_guests;

/// Writes over the file, which stays the same one: `dd conv=notrunc`.
fn write_over(region: &str, bytes: &[u8]) {
    let mut file = File::options().write(true).open(region).expect("it is there");
    file.write_all(bytes).expect("it has room");
}

/// Has a daemon and two programs on a region, writes over it, and checks that all is as before after a while. `bytes` makes
/// what is written of what was there with the first program only.
fn all_is_well_after(test: &str, bytes: impl Fn(Vec<u8>) -> Vec<u8>) {
    let lab = lab_without_guests(test);
    let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found").path();
    let daemon = Daemon::start(&lab, &["--region", &region, "--channels", "3"]);
    let first = Program::start(&region, "web1", 1);
    first.wait_until_attached(1);
    daemon.wait_for_guest("web1", "attached");
    let older = fs::read(&region).expect("it is there");
    let heard = heartbeat::read(&region);
    let second = Program::start(&region, "web2", 2);
    second.wait_until_attached(1);
    daemon.wait_for_guest("web2", "attached");
    daemon.assert_answers("web2");
    heartbeat::wait_for_another(&region, heard);

    write_over(&region, &bytes(older));
    daemon.wait_for_line(&["somebody else writes here", "a copy was put back"]);
    daemon.wait_for_line(&["its guests join anew"]);
    for (program, name) in [(&first, "web1"), (&second, "web2")] {
        daemon.wait_for_guest(name, "attached");
        program.wait_until_attached(2);
        daemon.assert_answers(name);
    }
    let listed: Vec<_> = daemon.guests().iter().map(|guest| guest["channel"].as_u64()).collect();
    assert_eq!(listed, [Some(0), Some(1)], "everybody keeps his channel");
    // A program that comes now reads the superblock like any other.
    let third = Program::start(&region, "web3", 3);
    third.wait_until_attached(1);
    daemon.assert_answers_soon("web3");
}

#[test]
fn an_empty_copy_is_formatted_again_and_everybody_joins_anew() {
    all_is_well_after("empty-copy", |older| vec![0; older.len()]);
}

#[test]
fn an_older_copy_is_found_and_everybody_joins_anew() {
    all_is_well_after("older-copy", |older| older);
}

#[test]
fn a_copy_of_another_region_is_found_and_everybody_joins_anew() {
    // As a region of one channel has it: the superblock's words are others.
    all_is_well_after("other-copy", |older| {
        let lab = lab_without_guests("other-copy-source");
        let region = lab.region("1M".parse().expect("a power of two")).expect("a name is found").path();
        let daemon = Daemon::start(&lab, &["--region", &region, "--channels", "1"]);
        let other = fs::read(&region).expect("it is there");
        drop(daemon);
        assert_eq!(other.len(), older.len());
        other
    });
}
