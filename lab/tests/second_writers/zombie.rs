//! Somebody was stopped, lost his channel to another, and goes on.

use std::thread;

use ivring_lab::witness::Line;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent;
use crate::daemon::Daemon;
use crate::program::Program;
use crate::setup::{LIMIT, lab, lab_without_guests, wait_for};
use crate::witness::{HOST, Witness, details};

/// Pings a guest for some seconds while something is done; every one is answered.
fn undisturbed(daemon: &Daemon<'_>, guest: &str, done_meanwhile: impl FnOnce()) {
    daemon.wait_for_guest(guest, "attached");
    thread::scope(|scope| {
        let pings = scope.spawn(|| {
            let answer = daemon.ivring(&["ping", guest, "--count", "400", "--interval", "0.005", "--json"]);
            serde_json::from_str::<Value>(&answer.output).expect("ping --json prints JSON")
        });
        done_meanwhile();
        let pings = pings.join().expect("it does not panic");
        assert_eq!(pings["answered"], 400, "{pings}");
    });
}

fn evict(daemon: &Daemon<'_>, guest: &str) {
    let answer = daemon.ivring(&["evict", guest]);
    assert!(matches!(answer.status, Some(0 | 6)), "{answer:?}");
    wait_for("its channel is free", || daemon.guests().is_empty().then_some(()));
}

#[test]
fn a_machine_resumed_after_its_channel_was_given_away_disturbs_nobody() {
    let Some(lab) = lab("zombie") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", &region.path(), "--channels", "1"]);
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let mut machine = lab.boot(&[plan]).expect("it boots").remove(0);
    agent::wait_until_attached(&mut machine);
    machine.pause().expect("it runs");
    evict(&daemon, "web1");
    let heir = Program::start(&region.path(), "web2", 2);
    heir.wait_until_attached(1);
    undisturbed(&daemon, "web2", || {
        machine.resume().expect("it is paused");
        machine.wait_for_line("evicted by the operator", LIMIT).expect("it reads why");
        daemon.wait_for_line(&["web1", "is refused: all 1 channels are taken"]);
    });
    assert_eq!(heir.events().last().map(String::as_str), Some("attached"));
    drop(heir);
    agent::wait_until_attached(&mut machine);
    daemon.assert_answers_soon("web1");
}

#[test]
fn a_program_continued_after_its_channel_was_given_away_disturbs_nobody() {
    const ZOMBIE: &str = "00000000-0000-4000-8000-000000000001";
    let lab = lab_without_guests("zombie-program");
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found").path();
    let daemon = Daemon::start(&lab, &["--region", &region, "--channels", "1"]);
    let mut zombie = Witness::guest(&lab, &region, ZOMBIE, &[]);
    zombie.wait_for_event(HOST, "attached");
    zombie.signal(Signal::SIGSTOP);
    evict(&daemon, &format!("{ZOMBIE}:witness"));
    let heir = Program::start(&region, "web2", 2);
    heir.wait_until_attached(1);
    undisturbed(&daemon, "web2", || {
        zombie.signal(Signal::SIGCONT);
        assert_eq!(zombie.wait_for_event(HOST, "detached"), "evicted by the operator");
        wait_for("it is refused", || {
            let waits = details(&zombie.journal(), HOST, "waiting");
            waits.iter().any(|what| what.contains("all 1 channels are taken")).then_some(())
        });
    });
    assert!(!zombie.journal().contains(&Line::End));
    drop(heir);
    wait_for("it is back", || (details(&zombie.journal(), HOST, "attached").len() == 2).then_some(()));
}
