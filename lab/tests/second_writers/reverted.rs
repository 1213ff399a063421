//! A snapshot of one guest is put back, and with it the region that all of them share.

use ivring_lab::witness::{Line, What};
use ivring_lab::{Guest, Lab, Plan, disks_or_skip};

use crate::agent;
use crate::daemon::Daemon;
use crate::disk::{add_disk, master};
use crate::setup::{lab, wait_for};
use crate::witness::{HOST, Witness, details, end_in, journal_in, peer, start_in};

const SNAPSHOT: &str = "before";

/// Plans for a guest that can be saved and for another, and the region's path.
fn plans(test: &str) -> Option<(Lab, [Plan; 2], String)> {
    let (lab, qemu_img) = (lab(test)?, disks_or_skip(test)?);
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let mut saved = master(&lab, "db1", &region);
    add_disk(&lab, &qemu_img, &mut saved);
    let other = lab.plan("web1", Some(&region));
    Some((lab, [saved, other], region.path()))
}

#[test]
fn the_operator_reads_what_happened_and_everybody_joins_anew() {
    let Some((lab, mut plans, region)) = plans("reverted") else { return };
    let daemon = Daemon::start(&lab, &["--region", &region]);
    plans.iter_mut().for_each(|plan| plan.agent = Some("run".to_owned()));
    let mut guests = lab.boot(&plans).expect("they boot");
    for guest in &mut guests {
        agent::wait_until_attached(guest);
    }
    let [saved, other] = &mut guests[..] else { unreachable!("two were planned") };

    saved.save(SNAPSHOT).expect("a master can be saved");
    // In the snapshot the region says that this agent's channel belongs to the one before it.
    agent::kill(other);
    agent::let_back(other);
    agent::wait_until_attached(other);
    daemon.assert_answers_soon("web1");
    saved.revert(SNAPSHOT).expect("it can be put back");

    daemon.wait_for_line(&["somebody else writes here", "a snapshot or a copy was put back"]);
    for name in ["db1", "web1"] {
        daemon.wait_for_line(&[name, "detached: somebody else writes with the same identity"]);
    }
    daemon.wait_for_line(&["its guests join anew"]);
    for (guest, name) in [(saved, "db1"), (&mut *other, "web1")] {
        daemon.wait_for_guest(name, "attached");
        agent::wait_until_attached(guest);
        daemon.assert_answers_soon(name);
    }
    other
        .wait_for_line("detached: somebody else writes", crate::setup::LIMIT)
        .expect("the guest is told, too");
}

#[test]
fn traffic_flows_again_and_nothing_old_or_wrong_is_in_it() {
    let Some((lab, plans, region)) = plans("reverted-traffic") else { return };
    let load = ["--send", "1000000", "--longest", "1000"];
    let mut host = Witness::host(&lab, &region, &load);
    let mut guests = lab.boot(&plans).expect("they boot");
    let peers = [peer(&plans[0]), peer(&plans[1])];
    let programs: Vec<_> = guests.iter_mut().map(|guest| start_in(guest, &load)).collect();
    peers.iter().for_each(|peer| host.wait_for_messages(peer, 100));
    guests[0].save(SNAPSHOT).expect("a master can be saved");
    let saved_at = host.journal().len();
    peers.iter().for_each(|peer| wait_for_more(&host, peer, saved_at));
    guests[0].revert(SNAPSHOT).expect("it can be put back");

    wait_for("the host has found it, and serves again", || {
        let told = details(&host.journal(), "region", "other");
        (told.len() == 2 && told[0].starts_with("SecondWriter") && told[1] == "Regained").then_some(())
    });
    for peer in &peers {
        wait_for("it has joined anew", || {
            (details(&host.journal(), peer, "attached").len() == 2).then_some(())
        });
        let attached_at = host.journal().len();
        wait_for_more(&host, peer, attached_at);
    }
    for (guest, program) in guests.iter_mut().zip(&programs) {
        end_in(guest, program);
    }
    for peer in &peers {
        wait_for("its good-bye", || {
            let ended = details(&host.journal(), peer, "detached");
            ended.last().is_some_and(|reason| reason == "the guest said good-bye").then_some(())
        });
    }
    host.end();
    let here = host.journal();
    for (guest, peer) in guests.iter_mut().zip(&peers) {
        check_last_session(guest, peer, &here);
    }
}

/// Waits until the host has received a hundred more messages from a peer than there are in the first lines of its journal.
fn wait_for_more(host: &Witness<'_>, peer: &str, lines: usize) {
    wait_for("more messages", || (received(&host.journal()[lines..], peer).len() > 100).then_some(()));
}

/// What is in the journals of both sides since the last session began.
fn check_last_session(guest: &mut Guest, peer: &str, here: &[Line]) {
    let there = journal_in(guest);
    let (here, there) = (last_session(here, peer), last_session(&there, HOST));
    for (journal, from) in [(here, peer), (there, HOST)] {
        let damaged = journal.iter().find(|line| matches!(line, Line::Damaged { peer, .. } if peer == from));
        assert_eq!(damaged, None);
    }
    assert_eq!(sent(there, HOST), received(here, peer), "what the guest sent is what came, in order");
    let (to_guest, came) = (sent(here, peer), received(there, HOST));
    assert!(came.len() > 100 && to_guest.starts_with(&came), "{} of {}", came.len(), to_guest.len());
}

fn last_session<'a>(journal: &'a [Line], with: &str) -> &'a [Line] {
    let is_begin =
        |line: &Line| matches!(line, Line::Event { peer, what, .. } if peer == with && what == "attached");
    let begin = journal.iter().rposition(is_begin).expect("it was attached");
    &journal[begin..]
}

fn sent(journal: &[Line], to: &str) -> Vec<u64> {
    let number = |line: &Line| match line {
        Line::Sent { peer, what: What::Record, number, .. } if peer == to => Some(*number),
        _ => None,
    };
    journal.iter().filter_map(number).collect()
}

/// The numbers of what came, and none of it as a repeat.
fn received(journal: &[Line], from: &str) -> Vec<u64> {
    let number = |line: &Line| match line {
        Line::Received { peer, what: What::Record, number, again: false, .. } if peer == from => {
            Some(*number)
        }
        _ => None,
    };
    journal.iter().filter_map(number).collect()
}
