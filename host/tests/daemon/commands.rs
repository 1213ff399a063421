//! The commands, on a daemon with a guest.

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";

#[test]
fn a_message_each_way() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.wait_for("attached", |guests| guests.len() == 1);
    print!("{}", daemon.ok(&["ls"]));
    print!("{}", daemon.json(&["ls"]));
    print!("{}", daemon.ok(&["ping", "web1", "--interval", "0"]));
    daemon.ok(&["send", "web1", "greeting", "hello"]);
    assert_eq!(guest.message(), ("greeting".into(), b"hello".to_vec(), false));
}
