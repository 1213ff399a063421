//! Requests: many at once, answered in any order, late, or never.

use crate::pair::{pair, settle};
use ivring_proto::link::{Arrival, Outcome, Unanswered};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn a_thousand_requests_at_once_each_end_exactly_once() {
    let mut sides = pair(256 << 10);
    let asked: Vec<u64> =
        (0..1000_u32).map(|n| sides[0].request("ask", &n.to_le_bytes(), PATIENCE).unwrap()).collect();
    settle(&mut sides);
    // Out of order: every third at once, from the last to the first; every other third late; the others never.
    let third = |of: usize| asked.iter().copied().skip(of).step_by(3).collect::<Vec<_>>();
    for id in third(0).into_iter().rev() {
        sides[1].respond(id, &id.to_le_bytes()).unwrap();
    }
    settle(&mut sides);
    sides[0].now = PATIENCE;
    settle(&mut sides);
    for id in third(1) {
        sides[1].respond(id, b"late").unwrap();
    }
    settle(&mut sides);
    let answered: Vec<u64> = sides[0]
        .arrived
        .iter()
        .map(|arrival| match arrival {
            Arrival::Response { id, payload, .. } if payload[..] == id.to_le_bytes() => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, third(0).into_iter().rev().collect::<Vec<_>>());
    let silent: BTreeSet<u64> = sides[0]
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Unanswered { id, why: Unanswered::TimedOut { waited: PATIENCE } } => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(silent, third(1).into_iter().chain(third(2)).collect());
    assert_eq!(silent.len(), sides[0].outcomes.len());
    let losses = sides[0].exchange.losses();
    assert_eq!((losses.late, losses.unanswered), (third(1).len() as u64, silent.len() as u64));
}

#[test]
fn an_answer_to_an_earlier_program_is_dropped_and_counted() {
    let mut sides = pair(4096);
    let old = sides[0].request("ask", b"", PATIENCE).unwrap();
    settle(&mut sides);
    sides[0].replace();
    let new = sides[0].request("ask", b"", PATIENCE).unwrap();
    assert_ne!(old, new);
    sides[1].respond(old, b"for the dead").unwrap();
    sides[1].respond(new, b"for the living").unwrap();
    settle(&mut sides);
    let [Arrival::Response { id, payload, .. }] = &sides[0].arrived[..] else {
        panic!("{:?}", sides[0].arrived)
    };
    assert_eq!((*id, &payload[..]), (new, &b"for the living"[..]));
    assert_eq!(sides[0].exchange.losses().late, 1);
}

#[test]
fn a_session_that_ends_leaves_no_request_open() {
    let mut sides = pair(4096);
    let asked = sides[0].request("ask", b"", Duration::MAX).unwrap();
    let large = sides[0].request("ask", &[0; 10_000], Duration::MAX).unwrap();
    sides[0].turn();
    sides[0].exchange.end();
    sides[0].turn();
    let ended: BTreeSet<_> = sides[0]
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Unanswered { id, why: Unanswered::Detached } => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ended, BTreeSet::from([asked, large]));
}

#[test]
fn the_time_of_an_answer_is_measured() {
    let mut sides = pair(4096);
    let id = sides[0].request("ask", b"", PATIENCE).unwrap();
    settle(&mut sides);
    sides[1].respond(id, b"").unwrap();
    sides[0].now = PATIENCE / 2;
    settle(&mut sides);
    assert!(
        matches!(sides[0].arrived[..], [Arrival::Response { round_trip, .. }] if round_trip == PATIENCE / 2)
    );
}
