//! On the steady path no message costs an allocation, either way, alone or in batches.

use std::ops::ControlFlow;
use std::time::Duration;

use allocation_counter::measure;
use ivring_benches::linked::Linked;
use ivring_guest::Guest;
use ivring_host::{Arrival, Host, Identity, Port, Status};

const WARM_UP: u64 = 1_600;
const MESSAGES: u64 = 10_000;
const BATCH: u64 = 16;
/// What comes with time and not with messages may fall into one run, or two.
const RUNS: [(); 8] = [(); 8];

/// Sends so many messages from one side to the other; returns how many arrived.
fn exchange(linked: &mut Linked, messages: u64, from_host: bool, batched: bool) -> u64 {
    let Linked { host, guests, .. } = linked;
    let guest = &mut guests[0];
    let who = Identity { uuid: guest.machine().uuid, port: Port::agent() };
    let mut buffer = [0_u8; 64];
    let mut received = 0;
    for number in 0..messages {
        let mut payload = [0_u8; 64];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        let sent = match (from_host, batched) {
            (true, false) => host.send(&who, "load", &payload).ok(),
            (true, true) => host.push(&who, "load", &payload).ok(),
            (false, false) => guest.send("load", &payload).ok(),
            (false, true) => guest.push("load", &payload).ok(),
        };
        assert!(sent.is_some(), "there is room for message {number}");
        if batched && (number + 1) % BATCH != 0 {
            continue;
        }
        host.flush(&who);
        guest.flush();
        let mut take = |arrival: &Arrival<'_>| {
            let Arrival::Message { payload, .. } = arrival else { panic!("{arrival:?} was not sent") };
            buffer.copy_from_slice(payload);
            assert_eq!(buffer[..8], u64::to_le_bytes(received));
            received += 1;
        };
        if from_host { take_from_host(guest, &mut take) } else { take_from_guest(host, &mut take) }
    }
    received
}

fn take_from_host(guest: &mut Guest, take: &mut impl FnMut(&Arrival<'_>)) {
    assert!(guest.poll_session().is_none());
    let mut batch = guest.batch();
    while batch.receive(usize::MAX, |arrival| {
        take(&arrival);
        ControlFlow::Continue(())
    }) > 0
    {}
}

fn take_from_guest(host: &mut Host, take: &mut impl FnMut(&Arrival<'_>)) {
    assert!(host.poll_sessions().is_none());
    let mut batch = host.batch();
    while batch.receive(usize::MAX, |_, arrival| {
        take(&arrival);
        ControlFlow::Continue(())
    }) > 0
    {}
}

#[test]
fn messages_cost_no_allocation() {
    let mut linked = Linked::new(8 << 20, 15, 3);
    for from_host in [true, false] {
        for batched in [false, true] {
            assert_eq!(exchange(&mut linked, WARM_UP, from_host, batched), WARM_UP);
            let counts = RUNS.map(|_| {
                let mut received = 0;
                let counted = measure(|| received = exchange(&mut linked, MESSAGES, from_host, batched));
                assert_eq!(received, MESSAGES);
                counted.count_total
            });
            assert!(counts.contains(&0), "from the host {from_host}, batched {batched}: {counts:?}");
        }
    }
}

#[test]
fn requests_and_their_answers_cost_no_allocation() {
    let mut linked = Linked::new(8 << 20, 15, 1);
    let mut ask = |requests: u64| {
        let Linked { host, guests, .. } = &mut linked;
        let guest = &mut guests[0];
        for _ in 0..requests {
            let asked = guest.request("time", b"now?", Duration::from_secs(60)).expect("room");
            let mut question = None;
            assert!(host.poll_sessions().is_none());
            host.receive(1, |who, arrival| {
                if let Arrival::Request { id, .. } = arrival {
                    question = Some((*who, id));
                }
                ControlFlow::Continue(())
            });
            let (who, id) = question.expect("it was asked");
            host.respond(&who, id, Status::Ok, b"noon").expect("room");
            let mut answered = None;
            assert!(guest.poll_session().is_none());
            guest.receive(1, |arrival| {
                if let Arrival::Response { id, .. } = arrival {
                    answered = Some(id);
                }
                ControlFlow::Continue(())
            });
            assert_eq!(answered, Some(asked));
        }
    };
    ask(WARM_UP);
    let counts = RUNS.map(|_| measure(|| ask(MESSAGES)).count_total);
    assert!(counts.contains(&0), "{counts:?}");
}
