//! Guests that lie in their cell, or say what acts on a terminal.

use std::process::Stdio;

use ivring_proto::layout::{Version, VersionRange, cell_word};
use ivring_proto::link::{GuestEvent, Kind, Status, Topic};
use ivring_proto::memory::Memory;
use ivring_proto::ring::Class;
use ivring_proto::session::{Identity, JoinRequest, Port, Text, Uuid, read_answer, write_request};

use super::attacker::{Attacker, entropy, uuid};
use super::neighbour::Neighbour;
use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;

/// Moves the cursor, changes the title, writes right to left.
const ESCAPES: &str = "\x1b[2J\x1b]0;x\x07\u{202e}\u{9b}1m\r\nroot";
const HONEST: &str = "6b7c1f2e-0000-4000-8000-000000000001";

fn request() -> JoinRequest {
    request_of(uuid(1))
}

/// What a guest that says nothing wrong writes into a cell.
pub fn request_of(uuid: Uuid) -> JoinRequest {
    JoinRequest {
        second_writer: false,
        attempt: entropy(),
        nonce: entropy(),
        identity: Identity { uuid, port: Port::agent() },
        boot: Uuid::from_u128(7),
        versions: VersionRange::SUPPORTED,
        features_required: 0,
        features_optional: 0,
        name: Text::truncated("liar"),
    }
}

/// Whether nothing in it acts on a terminal.
fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}'))
}

#[test]
fn versions_and_features_that_cannot_be_are_refused_with_the_numbers() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let neighbour = Neighbour::beside(&daemon, &place);
    let attacker = Attacker::at(&place.region_path(), uuid(1), "liar");
    let range = |min, max| VersionRange { min: Version::from_bits(min), max: Version::from_bits(max) };
    let mut told = Vec::new();
    for (cell, versions, features_required) in [
        (0, range(0, 0), 0),
        (1, range(u32::MAX, u32::MAX), 0),
        (2, range(0x0002_0000, 0x0001_0000), 0),
        (3, VersionRange::SUPPORTED, 1 << 63),
        (4, VersionRange::SUPPORTED, u64::MAX),
    ] {
        let request = JoinRequest { versions, features_required, ..request() };
        write_request(&attacker.memory, attacker.geometry.cell(cell).unwrap(), &request);
        let at = attacker.geometry.answer(cell).unwrap();
        let mut answer = None;
        let mut waiting = Attacker::at(&place.region_path(), uuid(1), "");
        waiting.until("the answer", |_| {
            answer = read_answer(&attacker.memory, at, request.nonce);
            answer.is_some()
        });
        told.push(answer.unwrap().refusal.to_string());
    }
    assert!(told[..3].iter().all(|text| text.contains("1.1")), "{told:?}");
    assert!(told[3].contains("0x8000000000000000") && told[4].contains("0xffffffffffffffff"), "{told:?}");
    assert_eq!(daemon.status()["regions"][0]["refused"], 5);
    neighbour.sent();
}

#[test]
fn cells_that_make_no_sense_are_passed_over() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let attacker = Attacker::at(&place.region_path(), uuid(1), "liar");
    let cell = |number| attacker.geometry.cell(number).unwrap();
    let nobody =
        JoinRequest { identity: Identity { uuid: Uuid::from_u128(0), port: Port::agent() }, ..request() };
    write_request(&attacker.memory, cell(0), &nobody);
    write_request(&attacker.memory, cell(1), &JoinRequest { nonce: 0, ..request() });
    for (number, word) in [(2, cell_word::PORT), (3, cell_word::NAME), (4, cell_word::CHECKSUM)] {
        write_request(&attacker.memory, cell(number), &request());
        attacker.memory.store(cell(number) + word, entropy() | 1);
    }
    for number in 5..16 {
        for word in 0..cell_word::SIZE / 8 {
            attacker.memory.store(cell(number) + word * 8, entropy() | 1);
        }
    }
    // They take all cells; who waits for one takes one that makes no sense.
    let guest = FakeGuest::attached(&place.region_path(), HONEST, "honest");
    guest.is_heard();
    assert_eq!(daemon.guests().len(), 1);
    let region = &daemon.status()["regions"][0];
    assert_eq!((&region["refused"], &region["faults"]), (&0.into(), &0.into()));
}

#[test]
fn names_that_act_on_a_terminal_are_made_printable_wherever_they_are_shown() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&[]);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), ESCAPES);
    attacker.link().send(Topic::new("t").unwrap(), ESCAPES.as_bytes()).unwrap();
    attacker.link().flush();
    let mut heard = String::new();
    while !heard.contains(" t: ") {
        heard = listen.line();
        assert!(heard.contains("\\u{1b}[2J") && is_printable(&heard), "{heard:?}");
    }
    for arguments in [&["ls"][..], &["inspect", place.region()]] {
        let shown = daemon.ok(arguments);
        assert!(shown.contains("\\u{1b}[2J") && is_printable(&shown), "{shown:?}");
    }
    // As data it is what the guest wrote.
    assert_eq!(daemon.guests()[0]["name"], ESCAPES);
    for arguments in
        [&["ping", "6b7c1f2e", "--count", "1", "--timeout", "0.1"][..], &["send", "6b7c1f2e:x", "t", "x"]]
    {
        let (_, text) = daemon.fails(arguments);
        assert!(is_printable(&text), "{text:?}");
    }
    let log = daemon.stopped();
    assert!(log.contains("\\u{1b}[2J") && is_printable(&log), "{log:?}");
}

#[test]
fn a_refused_guests_name_is_made_printable_in_the_log() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&[]);
    let attacker = Attacker::at(&place.region_path(), uuid(1), "");
    let request = JoinRequest { features_required: 1, name: Text::truncated(ESCAPES), ..request() };
    write_request(&attacker.memory, attacker.geometry.cell(0).unwrap(), &request);
    let line = listen.line();
    assert!(line.contains("refused") && is_printable(&line), "{line:?}");
    let table = daemon.ok(&["ls"]);
    assert!(
        table.contains("1 requests to join") && table.contains("\\u{1b}[2J") && is_printable(&table),
        "{table:?}"
    );
    let log = daemon.stopped();
    assert!(log.contains("\\u{1b}[2J") && is_printable(&log), "{log:?}");
}

#[test]
fn a_good_bye_for_a_reason_that_does_not_exist_is_a_good_bye() {
    use ivring_proto::layout::control_word as word;
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&["--json"]);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "liar");
    let session = attacker.place().guest_control + word::SESSION;
    let nonce = attacker.end.offer().unwrap().nonce;
    attacker.memory.store(session + word::BYE_REASON, u64::MAX);
    attacker.memory.store_release(session + word::BYE, nonce);
    attacker.wait_for(|event| matches!(event, GuestEvent::Detached(_)));
    daemon.wait_for("it is gone", <[_]>::is_empty);
    let event = loop {
        let event = listen.json();
        if event["event"] == "detached" {
            break event;
        }
    };
    assert_eq!((&event["code"], &event["reason"]), (&255.into(), &"reason 255 of a newer version".into()));
}

#[test]
fn who_takes_anothers_name_takes_nothing_else() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), HONEST, "web1");
    let _liar = Attacker::attached(&place.region_path(), uuid(1), "web1");
    let (code, text) = daemon.fails(&["send", "web1", "t", "secret"]);
    assert!(code == 3 && text.contains(HONEST), "a name that two have is no name: {text}");
    daemon.ok(&["send", HONEST, "t", "secret"]);
    assert_eq!(guest.message().1, b"secret");
    // Nor does one that has another's UUID for its name.
    let _other = Attacker::attached(&place.region_path(), uuid(2), HONEST);
    daemon.ok(&["send", HONEST, "t", "again"]);
    assert_eq!(guest.message().1, b"again");
}

#[test]
fn topics_that_act_on_a_terminal_are_a_fault_or_made_printable() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut listen = daemon.listen(&["--topic", "\u{202e}t"]);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "liar");
    // No control character, and still it turns the line around.
    attacker.link().send(Topic::new("\u{202e}t").unwrap(), b"x").unwrap();
    attacker.link().flush();
    let line = listen.line();
    assert!(line.contains("\\u{202e}t: x") && is_printable(&line), "{line:?}");
    // Control characters are no topic, and there is no other way to send one.
    let topic = b"\x1b[2J";
    let length = u8::try_from(topic.len()).unwrap();
    let envelope = [1, 0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0, 0, 0, 0, 0];
    attacker.link().tx().push(Kind::Message.code(), Class::Message, &[&envelope, topic]).unwrap();
    attacker.link().flush();
    attacker.wait_for(|event| matches!(event, GuestEvent::Detached(_)));
    let table = daemon.ok(&["ls"]);
    assert!(table.contains("fault of liar:agent") && table.contains("topic"), "{table}");
    assert!(is_printable(&table) && is_printable(&daemon.stopped()), "{table:?}");
}

#[test]
fn answers_in_a_guests_own_words_are_made_printable() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut attacker = Attacker::attached(&place.region_path(), uuid(1), "liar");
    let asking = daemon.ivring(&["request", "liar", "t", "x"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut asked = None;
    attacker.until("the request", |attacker| {
        asked = attacker.receive().into_iter().find(|(kind, _)| *kind == Kind::Request);
        asked.is_some()
    });
    attacker.end.respond(asked.unwrap().1, Status::Failed, ESCAPES.as_bytes()).unwrap();
    let output = asking.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(text.contains("\\u{1b}[2J") && is_printable(&text), "{text:?}");
}

#[test]
fn texts_scribbled_over_the_region_are_made_printable() {
    use ivring_proto::layout::{RegionState, control_word as word, write_state};
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let attacker = Attacker::attached(&place.region_path(), uuid(1), "liar");
    let text = attacker.place().host_control + word::TEXT;
    Text::<64>::truncated(ESCAPES).write(&attacker.memory, text + word::NAME);
    Text::<32>::truncated("\x1b[2J").write(&attacker.memory, text + word::PORT);
    write_state(&attacker.memory, RegionState::Closing, ESCAPES);
    let output = daemon.ivring(&["inspect", place.region()]).output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(shown.matches("\\u{1b}[2J").count() >= 3 && is_printable(&shown), "{shown:?}");
    assert_eq!(daemon.guests()[0]["name"], "liar", "what the daemon knows it does not read there");
}
