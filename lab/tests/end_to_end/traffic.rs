//! Much traffic both ways.

use ivring_lab::witness::{Delivery, check};

use crate::setup::lab;
use crate::witness::{HOST, Witness, journal_in, life_in, peer, start_in, wait_for_message_in};

/// Messages each way and guest.
const COUNT: u32 = 10_000;

#[test]
fn ten_thousand_messages_each_way_with_two_guests_at_once() {
    let Some(lab) = lab("traffic") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let host = Witness::host(&lab, &region.path(), &["--send", &COUNT.to_string()]);
    let plans = [lab.plan("left", Some(&region)), lab.plan("right", Some(&region))];
    let mut guests = lab.boot(&plans).expect("two guests boot");
    for guest in &mut guests {
        start_in(guest, &["--send", &COUNT.to_string()]);
    }
    let all = Delivery { messages: 10_000, repeats: 0 };
    for (guest, plan) in guests.iter_mut().zip(&plans) {
        let last = u64::from(COUNT) - 1;
        host.wait_for_message(&peer(plan), life_in(guest), last);
        wait_for_message_in(guest, host.life(), last);
        let (here, there) = (host.journal(), journal_in(guest));
        assert_eq!(check(&there, HOST, &here, &peer(plan)), Ok(all), "from {}", plan.name);
        assert_eq!(check(&here, &peer(plan), &there, HOST), Ok(all), "to {}", plan.name);
    }
}
