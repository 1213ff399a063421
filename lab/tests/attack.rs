//! Garbage from a real guest and from a process, while others talk: a short form of `ivring-lab attack`.

use std::time::Duration;

use ivring_lab::{Attack, Consent, attack, tools_or_skip};

#[test]
fn nobody_else_is_hurt_and_everybody_talks_again() {
    if tools_or_skip("nobody_else_is_hurt_and_everybody_talks_again").is_none() {
        return;
    }
    let span = Duration::from_secs(12);
    let consent = Consent::new(false).without_asking();
    let report = attack(&Attack { span, seed: 7, no_vm: false, consent }).expect("everything that must hold");
    println!("{report}");
    assert_eq!(report.lost_apart(), 0);
    assert!(report.written() > 1000, "{report}");
    assert!(report.said_apart() > 1000, "{report}");
}
