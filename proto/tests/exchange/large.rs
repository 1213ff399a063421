//! Messages larger than a record.

use crate::pair::{MAX, content, pair, settle};
use ivring_proto::link::{Arrival, Declined, Kind, Outcome, SendError, WINDOW, is_transfer};
use std::time::Duration;

#[test]
fn a_large_message_arrives_whole_and_its_sender_is_told() {
    let mut sides = pair(4096);
    let sent = content(1, 1_000_003);
    let id = sides[0].send("file", &sent).unwrap();
    assert!(is_transfer(id));
    settle(&mut sides);
    assert_eq!(sides[1].messages("file"), [&sent[..]]);
    assert_eq!(sides[0].outcomes, [Outcome::Delivered { id }]);
    assert!(!sides[1].exchange.is_sending() && !sides[0].exchange.is_sending());
}

#[test]
fn it_counts_as_delivered_only_when_the_program_is_done_with_it() {
    let mut sides = pair(4096);
    let id = sides[0].send("file", &content(1, 5000)).unwrap();
    while sides[1].arrived.is_empty() {
        sides[0].turn();
        sides[1].take_one();
    }
    sides[1].exchange.pump(&mut sides[1].link).unwrap();
    sides[0].turn();
    assert_eq!(sides[0].outcomes, []);
    settle(&mut sides);
    assert_eq!(sides[0].outcomes, [Outcome::Delivered { id }]);
}

#[test]
fn both_ways_at_once_with_full_rings_and_pings_between_them_never_deadlocks() {
    let mut sides = pair(4096);
    let sent = [content(1, MAX), content(2, MAX)];
    for (side, payload) in sides.iter_mut().zip(&sent) {
        side.send("there", payload).unwrap();
    }
    let (mut pings, mut echoed) = (0, [false; 2]);
    for round in 0.. {
        assert!(round < 100_000, "nothing moves: {:?}", sides.each_ref().map(|side| side.exchange.losses()));
        for (side, echoed) in sides.iter_mut().zip(&mut echoed) {
            side.turn();
            // Ordinary messages fill what is left of the ring.
            let small = side.send("small", &[1; 100]);
            assert!(matches!(small, Ok(_) | Err(SendError::Full { .. })), "{small:?}");
            if side.exchange.ping(&mut side.link, side.now, b"ping", Duration::MAX).is_ok() {
                side.link.flush();
                pings += 1;
            }
            let of_interest = |arrival: &Arrival<'_>| !matches!(arrival, Arrival::Message { topic, .. } if topic == "small");
            side.arrived.retain(of_interest);
            if !*echoed && let [payload] = side.messages("there")[..] {
                let payload = payload.to_vec();
                *echoed = true;
                side.send("back", &payload).unwrap();
            }
        }
        if sides.iter().all(|side| side.outcomes.len() == 2) {
            break;
        }
    }
    settle(&mut sides);
    for (side, payload) in sides.iter().zip(&sent) {
        assert_eq!(side.messages("back"), [&payload[..]]);
        let delivered = side.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Delivered { .. }));
        assert_eq!(delivered.count(), 2);
    }
    let pongs = |arrival: &&Arrival<'_>| matches!(arrival, Arrival::Pong { .. });
    let answered: usize = sides.iter().map(|side| side.arrived.iter().filter(pongs).count()).sum();
    let dropped: u64 = sides.iter().map(|side| side.link.counters().pings_dropped).sum();
    assert_eq!(answered as u64 + dropped, pings);
    assert!(answered > 1000, "{answered} pongs");
}

#[test]
fn messages_of_one_record_overtake_and_large_ones_keep_their_order() {
    let mut sides = pair(4096);
    for number in 0..40_u8 {
        sides[0].send("large", &vec![number; 3000]).unwrap();
        sides[0].send("small", &[number]).unwrap();
        sides[0].exchange.pump(&mut sides[0].link).unwrap();
        sides[1].turn();
    }
    settle(&mut sides);
    let numbers = |on| sides[1].messages(on).iter().map(|payload| payload[0]).collect::<Vec<_>>();
    assert!(numbers("large").is_sorted() && numbers("small").is_sorted());
    assert_eq!((numbers("large").len(), numbers("small").len()), (40, 40));
    assert!(sides[1].messages("large").iter().all(|payload| payload.len() == 3000));
}

#[test]
fn no_more_than_the_window_is_begun_before_the_peer_has_said_how_it_ended() {
    let mut sides = pair(64 << 10);
    let payload = content(1, 40_000);
    for _ in 0..WINDOW + 5 {
        sides[0].send("large", &payload).unwrap();
    }
    for _ in 0..100 {
        sides[0].turn();
        // Takes all of it, and does not get to say so.
        while sides[1].take_one() {}
    }
    assert_eq!(sides[1].arrived.len(), WINDOW);
    settle(&mut sides);
    assert_eq!(sides[1].arrived.len(), WINDOW + 5);
    assert_eq!(sides[0].outcomes.len(), WINDOW + 5);
}

#[test]
fn a_request_and_its_answer_can_be_large() {
    let mut sides = pair(4096);
    let asked = content(1, 100_000);
    let id = sides[0].request("double", &asked, Duration::from_secs(5)).unwrap();
    settle(&mut sides);
    let [Arrival::Request { id: named, payload, .. }] = &sides[1].arrived[..] else {
        panic!("{:?}", sides[1].arrived)
    };
    assert_eq!((*named, &payload[..]), (id, &asked[..]));
    let answer = [&asked[..], &asked[..]].concat();
    sides[1].respond(id, &answer).unwrap();
    settle(&mut sides);
    let [Arrival::Response { id: answered, payload, .. }] = &sides[0].arrived[..] else {
        panic!("{:?}", sides[0].arrived)
    };
    assert_eq!((*answered, &payload[..]), (id, &answer[..]));
    assert_eq!((&sides[0].outcomes[..], &sides[1].outcomes[..]), (&[][..], &[][..]));
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_sent() {
    let mut sides = pair(4096);
    let error = sides[0].send("file", &vec![0; MAX + 1]).unwrap_err();
    assert_eq!(error, SendError::TooLarge { length: MAX + 1, max: MAX });
    assert!(!sides[0].exchange.is_sending());
    // Two of the largest may wait, and one more.
    sides[0].send("file", &vec![0; MAX]).unwrap();
    sides[0].send("file", &vec![0; MAX]).unwrap();
    let full = sides[0].send("file", &vec![0; 5000]).unwrap_err();
    assert_eq!(full, SendError::Full { needed: 5000, free: 0 });
    settle(&mut sides);
    assert_eq!(sides[1].arrived.len(), 2);
    sides[0].send("file", &vec![0; 5000]).unwrap();
}

#[test]
fn a_peer_that_knows_no_fragments_is_sent_none() {
    let mut sides = pair(4096);
    let version = ivring_proto::layout::Version { major: 1, minor: 0 };
    let own = sides[0].incarnation();
    sides[0].exchange.begin(own, version);
    let max = sides[0].link.max_payload(4);
    let error = sides[0].send("file", &vec![0; max + 1]).unwrap_err();
    assert_eq!(error, SendError::TooLarge { length: max + 1, max });
    sides[0].send("file", &vec![0; max]).unwrap();
}

#[test]
fn messages_that_nobody_wants_take_no_memory_and_requests_are_put_together() {
    let mut sides = pair(4096);
    sides[1].exchange.want_large_messages(false);
    sides[0].send("file", &content(1, 500_000)).unwrap();
    for _ in 0..100 {
        sides[0].turn();
        sides[1].turn();
        assert_eq!(sides[1].budget.left(), crate::pair::BUDGET);
    }
    settle(&mut sides);
    assert!(matches!(sides[0].outcomes[..], [Outcome::Delivered { .. }]));
    assert_eq!((sides[1].arrived.len(), sides[1].exchange.losses().unwanted), (0, 1));
    sides[0].request("ask", &content(1, 5000), Duration::MAX).unwrap();
    settle(&mut sides);
    assert!(
        matches!(&sides[1].arrived[..], [Arrival::Request { payload, .. }] if payload[..] == content(1, 5000))
    );
}

#[test]
fn a_receiver_takes_no_more_than_it_has_memory_for() {
    let mut sides = pair(4096);
    let other = content(2, 4000);
    // Longer than this receiver takes, by another option than its sender's.
    sides[1].exchange = ivring_proto::link::Exchange::new(MAX / 2, sides[1].budget.clone());
    let large = sides[0].send("file", &vec![1; MAX]).unwrap();
    settle(&mut sides);
    // Others have taken all the memory.
    sides[1].exchange = ivring_proto::link::Exchange::new(MAX, ivring_proto::link::Budget::new(3000));
    let much = sides[0].send("file", &other).unwrap();
    settle(&mut sides);
    let asked = sides[0].request("ask", &other, Duration::MAX).unwrap();
    settle(&mut sides);
    let (kind, unanswered) = (Kind::Message, ivring_proto::link::Unanswered::Declined(Declined::NoMemory));
    assert_eq!(
        sides[0].outcomes,
        [
            Outcome::Declined { id: large, kind, why: Declined::TooLarge },
            Outcome::Declined { id: much, kind, why: Declined::NoMemory },
            Outcome::Unanswered { id: asked, why: unanswered },
        ]
    );
    assert_eq!(sides[1].arrived, []);
    // A sender that is told stops: not all of it went over.
    assert!(sides[0].link.counters().sent_bytes < MAX as u64 / 2);
}
