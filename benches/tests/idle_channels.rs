//! Idle channels beside busy ones: each is looked at within a bounded number of rounds, and what is pushed does not wait.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ivring_benches::linked::Linked;
use ivring_guest::{Event, Guest};
use ivring_host::{Arrival, Host, Identity, Port};

/// Rounds in which every one of 255 channels has its turn.
const ROUNDS: usize = 17;

fn identity(guest: &Guest) -> Identity {
    Identity { uuid: guest.machine().uuid, port: Port::agent() }
}

/// Who sent something, in one round.
fn round(host: &mut Host) -> Vec<Identity> {
    assert!(host.poll_sessions().is_none());
    let mut heard = Vec::new();
    host.receive(usize::MAX, |guest, arrival| {
        assert!(matches!(arrival, Arrival::Message { .. }), "{arrival:?}");
        heard.push(*guest);
        ControlFlow::Continue(())
    });
    heard
}

#[test]
fn the_first_message_of_an_idle_channel_arrives_within_a_few_rounds() {
    let mut linked = Linked::new(64 << 20, 255, 60);
    let Linked { host, guests, .. } = &mut linked;
    let (busy, idle) = guests.split_first_mut().expect("there are guests");
    let busy_one = identity(busy);
    busy.send("t", b"first").expect("room");
    while !round(host).contains(&busy_one) {}
    for guest in idle {
        let idle_one = identity(guest);
        guest.send("t", b"first").expect("room");
        let mut rounds = 0;
        loop {
            // As much as is taken in a turn.
            for _ in 0..64 {
                busy.push("t", b"much").expect("room");
            }
            busy.flush();
            rounds += 1;
            let heard = round(host);
            assert!(heard.contains(&busy_one), "the busy one is looked at in each round");
            if heard.contains(&idle_one) {
                break;
            }
            assert!(rounds < ROUNDS, "{idle_one} was not heard in {rounds} rounds");
        }
    }
}

#[test]
fn many_busy_channels_take_turns() {
    let mut linked = Linked::new(64 << 20, 255, 40);
    let Linked { host, guests, .. } = &mut linked;
    for guest in guests.iter_mut() {
        for _ in 0..500 {
            guest.push("t", b"much").expect("room");
        }
        guest.flush();
    }
    let mut left: HashMap<_, _> = guests.iter().map(|guest| (identity(guest), 500)).collect();
    // Eight turns of 64 records are enough once a channel is found to be busy.
    for number in 0..ROUNDS + 8 {
        let mut turns = HashMap::<_, usize>::new();
        for who in round(host) {
            *turns.entry(who).or_default() += 1;
            *left.get_mut(&who).expect("it is one of them") -= 1;
        }
        assert!(turns.values().all(|turn| *turn <= 64), "round {number}: {turns:?}");
    }
    assert!(left.values().all(|left| *left == 0), "{left:?}");
}

#[test]
fn what_is_pushed_and_not_flushed_goes_out_when_there_is_nothing_else_to_do() {
    let mut linked = Linked::new(8 << 20, 15, 2);
    let Linked { host, guests, .. } = &mut linked;
    let guest = &mut guests[1];
    host.push(&identity(guest), "t", b"down").expect("room");
    guest.push("t", b"up").expect("room");
    assert!(guest.poll().is_none() && host.poll().is_some(), "the guest had nothing to do, and flushed");
    assert!(host.poll().is_none(), "the host has nothing more to do, and flushes");
    let event = guest.poll();
    assert!(matches!(&event, Some(Event::Message { payload, .. }) if payload == b"down"), "{event:?}");
}
