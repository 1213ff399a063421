//! A peer that sends fragments as it likes: it costs bounded memory, and nobody else anything.

use crate::pair::{BUDGET, MAX, pair, settle};
use crate::random::Random;
use ivring_proto::link::{Fragment, Kind, Status, Topic, WINDOW};

/// A fragment, of any transfer, anywhere.
fn fragment(random: &mut Random, piece: usize) -> Fragment {
    let total = random.pick(&[1, 5000, MAX as u64, MAX as u64 + 1, u64::MAX]).max(piece as u64);
    let offset = match random.below(3) {
        0 => 0,
        1 => random.below(20) * piece as u64,
        _ => random.word(),
    };
    Fragment {
        transfer: 1 << 63 | random.below(4),
        total,
        offset: offset.min(total - piece as u64),
        of: random.pick(&[Kind::Message, Kind::Request, Kind::Response]),
    }
}

#[test]
fn any_fragments_cost_bounded_memory_and_bounded_words() {
    for seed in 0..200 {
        let (mut random, mut sides) = (Random(seed), pair(4096));
        let topic = Topic::new("t").unwrap();
        for _ in 0..500 {
            let piece = vec![0; usize::try_from(random.below(300) + 1).unwrap()];
            let named = random.once_in(2);
            let mut fragment = fragment(&mut random, piece.len());
            // A first piece without a topic is a fault, and tested as such elsewhere.
            fragment.offset = if named { fragment.offset } else { fragment.offset.max(1) };
            if fragment.offset + piece.len() as u64 > fragment.total {
                continue;
            }
            let of = if named { Some(topic) } else { None };
            if sides[0].link.send_piece(&fragment, random.word(), Status::Ok, of, &piece).is_ok() {
                sides[0].link.flush();
            }
            if random.once_in(3) {
                let transfer = 1 << 63 | random.below(4);
                // A full ring is no concern here.
                let how = random.pick(&[0, 1, 2, 3, 99]);
                let _ = sides[0].link.end_transfer(transfer, how);
            }
            sides[1].take_one();
            assert!(sides[1].budget.left() >= BUDGET - MAX, "seed {seed}");
        }
        settle(&mut sides);
        // All that it sent are ends, and those that waited fit the window twice over.
        assert!(sides[1].link.counters().sent <= 2 * WINDOW as u64, "seed {seed}");
    }
}

/// Sends pieces of 100 bytes, each given by transfer, whole length and offset; returns what became of the receiver.
fn after(pieces: &[(u64, u64, u64)]) -> [crate::pair::Side; 2] {
    let mut sides = pair(64 << 10);
    for &(transfer, total, offset) in pieces {
        let fragment = Fragment { transfer: 1 << 63 | transfer, total, offset, of: Kind::Message };
        let topic = (offset == 0).then(|| Topic::new("t").unwrap());
        sides[0].link.send_piece(&fragment, 1, Status::Ok, topic, &[0; 100]).unwrap();
        sides[0].link.flush();
    }
    settle(&mut sides);
    sides
}

#[test]
fn only_the_next_piece_of_the_same_message_is_taken() {
    let whole = after(&[(1, 300, 0), (1, 300, 100), (1, 300, 200)]);
    assert_eq!(whole[1].messages("t"), [[0; 300]]);
    for wrong in [
        [(1, 300, 0), (1, 300, 200), (1, 300, 100)],
        [(1, 300, 0), (1, 300, 100), (2, 300, 200)],
        [(1, 300, 0), (1, 300, 100), (1, 400, 200)],
        [(1, 300, 0), (1, 300, 100), (1, 300, 100)],
        [(1, 300, 100), (1, 300, 200), (1, 300, 200)],
    ] {
        let sides = after(&wrong);
        assert_eq!(sides[1].arrived, [], "{wrong:?}");
        assert!(sides[1].exchange.losses().stray_fragments > 0, "{wrong:?}");
    }
}

#[test]
fn a_transfer_that_came_to_nothing_is_ended_once() {
    let sides = after(&[(1, 2000, 100), (1, 2000, 200), (1, 2000, 300), (1, 2000, 1000)]);
    assert_eq!((sides[1].link.counters().sent, sides[1].exchange.losses().stray_fragments), (1, 4));
}

#[test]
fn a_promise_of_much_takes_no_memory_before_it_comes() {
    let mut sides = pair(4096);
    let fragment = Fragment { transfer: 1 << 63, total: MAX as u64, offset: 0, of: Kind::Message };
    sides[0].link.send_piece(&fragment, 1, Status::Ok, Some(Topic::new("t").unwrap()), &[0; 100]).unwrap();
    sides[0].link.flush();
    sides[1].take_one();
    assert!(sides[1].budget.left() >= BUDGET - (64 << 10));
}

#[test]
fn endings_of_transfers_that_nobody_began_are_nothing() {
    let mut sides = pair(4096);
    for transfer in [0, 1, 1 << 63, u64::MAX] {
        for how in [0, 1, 2, 3, u16::MAX] {
            sides[0].link.end_transfer(transfer, how).unwrap();
        }
    }
    sides[0].link.flush();
    settle(&mut sides);
    assert_eq!((&sides[1].outcomes[..], &sides[1].arrived[..]), (&[][..], &[][..]));
}
