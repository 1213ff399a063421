//! A thousand requests under way at once, each way.

use ivring_lab::witness::{Line, Outcomes, What, check_outcomes};

use crate::setup::lab;
use crate::witness::{
    HOST, Witness, end_in, journal_in, peer, start_in, wait_for_ends_in, wait_for_event_in,
};

/// Each side asks a thousand times at once, and answers nothing before it has a thousand requests: then far from their
/// order, each tenth not before its asker has given it up, and each tenth never.
const WORK: [&str; 6] = ["--request", "1000", "--answer", "1000", "--timeout", "5"];

/// How many answers came where two neighbours in time are not neighbours by number.
fn out_of_order(journal: &[Line], with: &str) -> usize {
    let asked = |wanted: u64| {
        journal.iter().position(|line| matches!(line, Line::Sent { peer, what: What::Request, id, .. } if peer == with && *id == wanted))
    };
    let places: Vec<_> = journal
        .iter()
        .filter_map(|line| match line {
            Line::Ended { peer, id, .. } if peer == with => asked(*id),
            _ => None,
        })
        .collect();
    places.windows(2).filter(|pair| pair[1] < pair[0]).count()
}

#[test]
fn each_of_a_thousand_requests_ends_once_answered_or_timed_out_and_late_answers_are_dropped() {
    let Some(lab) = lab("requests") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let plan = lab.plan("web1", Some(&region));
    let peer = peer(&plan);
    let mut host = Witness::host(&lab, &region.path(), &WORK);
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let process = start_in(&mut guest, &WORK);
    host.wait_for_ends(&peer, 1000);
    wait_for_ends_in(&mut guest, 1000);
    // The late ones come when all have ended.
    host.wait_for_detail(&peer, "late", "100");
    wait_for_event_in(&mut guest, "late", "100");
    end_in(&mut guest, &process);
    host.end();

    let (here, there) = (host.journal(), journal_in(&mut guest));
    let wanted = Outcomes { answered: 800, unanswered: 200, ..Outcomes::default() };
    assert_eq!(check_outcomes(&here, &peer, &there, HOST), Ok(wanted), "of the host's");
    assert_eq!(check_outcomes(&there, HOST, &here, &peer), Ok(wanted), "of the guest's");
    for (journal, with) in [(&here, peer.as_str()), (&there, HOST)] {
        assert!(out_of_order(journal, with) > 100, "answers come in another order than requests");
    }
}
