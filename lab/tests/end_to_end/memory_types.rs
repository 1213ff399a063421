//! A guest's kernel maps the device as it is asked to: its own list of memory types says so.
//!
//! The emulator treats all types alike, so what a type costs shows nowhere here; that every message comes as it was does.

use std::fs;

use ivring_lab::Guest;
use ivring_proto::control::{Client, Service, Target};
use ivring_proto::layout::Geometry;

use crate::agent::{status, wait_for_listener, wait_for_status, wait_until_attached};
use crate::commands::{first_word, random_file};
use crate::daemon::Daemon;
use crate::setup::{LIMIT, lab, output};

const SIZE: u64 = 8 << 20;
const CHANNELS: u64 = 15;
/// Many times a ring, so that each of its lines is written and read.
const LONG: usize = 6 << 20;

/// A range of a guest's physical memory that is mapped with a type.
#[derive(Debug, PartialEq, Eq)]
struct Mapped {
    begin: u64,
    end: u64,
    memory_type: String,
}

/// What the kernel has mapped of `SIZE` bytes from `begin` on, relative to that and in order (`pat_memtype_list`).
fn mapped(guest: &mut Guest, begin: u64) -> Vec<Mapped> {
    let list = output(
        guest,
        "mkdir -p /run/debug; mount -t debugfs debug /run/debug 2>/dev/null; cat /run/debug/x86/pat_memtype_list",
    );
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number");
    // PAT: [mem 0x00000000fe000000-0x00000000fe008000] uncached-minus
    let range = |line: &str| {
        let (range, memory_type) = line.strip_prefix("PAT: [mem ")?.split_once("] ")?;
        let (from, to) = range.split_once('-')?;
        Some((number(from), number(to), memory_type.to_owned()))
    };
    let ranges = list.lines().filter_map(range).filter(|(from, ..)| (begin..begin + SIZE).contains(from));
    let relative = |(from, to, memory_type)| Mapped { begin: from - begin, end: to - begin, memory_type };
    let mut mapped: Vec<_> = ranges.map(relative).collect();
    mapped.sort_by_key(|mapped| mapped.begin);
    mapped
}

/// Where the guest has BAR 2 of the agent's device.
fn bar(guest: &mut Guest) -> u64 {
    let place =
        status(guest).expect("the agent answers")["region"]["place"].as_str().expect("a device").to_owned();
    let begin = output(guest, &format!("sed -n 3p /sys/bus/pci/devices/{place}/resource | cut -d' ' -f1"));
    u64::from_str_radix(begin.trim_start_matches("0x"), 16).expect("an address")
}

fn range(begin: u64, end: u64, memory_type: &str) -> Mapped {
    Mapped { begin, end, memory_type: memory_type.to_owned() }
}

/// A long message each way by the commands, compared by its checksum in the guest and as a whole on the host.
fn exchange_long_messages(lab: &ivring_lab::Lab, daemon: &Daemon<'_>, guest: &mut Guest) {
    let (file, sum) = random_file(lab, LONG);
    let listen =
        "mkdir /tmp/got; ivring-agent listen --topic file --count 1 --out /tmp/got >/dev/null 2>&1 & echo $!";
    let listener = output(guest, listen);
    wait_for_listener(guest);
    let sent = daemon.ivring(&["send", "web1", "file", "--file", &file.display().to_string()]);
    assert_eq!(sent.status, Some(0), "{sent:?}");
    output(guest, &format!("while [ -d /proc/{listener} ]; do sleep 0.1; done"));
    assert_eq!(first_word(&output(guest, "busybox sha256sum /tmp/got/*")), sum);

    let client = Client::connect(Service::Daemon, daemon.socket()).expect("it serves");
    let mut listener = client.listen(Target::default(), Some("back".to_owned())).expect("it lets one listen");
    output(guest, "ivring-agent send back --file /tmp/got/*; rm -r /tmp/got");
    let (_, back) = listener.next_event(Some(LIMIT)).expect("it goes on").expect("it has come");
    assert!(back == fs::read(&file).expect("it is there"), "it comes back as it was");
}

#[test]
fn rings_are_mapped_write_combining_and_control_pages_uncached_when_asked_for() {
    let Some(lab) = lab("memory-types") else { return };
    let region = lab.region(SIZE.to_string().parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run --memory-type write-combining".to_owned());
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    wait_until_attached(&mut guest);

    let memory = status(&mut guest).expect("the agent answers")["region"]["memory"].clone();
    assert_eq!(
        (&memory["type"], &memory["reason"]),
        (&"write-combining".into(), &"option".into()),
        "{memory}"
    );
    let begin = bar(&mut guest);
    let rings = Geometry::new(SIZE, CHANNELS).expect("a region of this kind").rings();
    let both = [range(0, rings, "uncached-minus"), range(rings, SIZE, "write-combining")];
    assert_eq!(mapped(&mut guest, begin), both);

    daemon.assert_answers_soon("web1");
    exchange_long_messages(&lab, &daemon, &mut guest);
    let listed = daemon.wait_for_guest("web1", "attached");
    assert_eq!(listed["memory"]["type"], "write-combining", "{listed}");
    let table = daemon.ivring(&["ls"]).output;
    assert!(table.contains("MEMORY") && table.contains("write-combining"), "{table}");

    // Pages have one type at a time: a program that asks for another one for all of them is told.
    let other = guest.run(
        "ivring-agent run --once --memory-type write-back --socket /run/other.sock --id 6b7c1f2e-0000-4000-8000-000000000009",
        LIMIT,
    );
    let other = other.expect("the guest answers");
    assert_eq!(other.status, 3, "{}", other.output);
    assert!(other.output.contains("the same --memory-type"), "{}", other.output);
    assert_eq!(mapped(&mut guest, begin), both, "nothing has changed for the first");
    daemon.assert_answers("web1");
}

#[test]
fn a_guest_finds_out_by_itself_and_an_emulated_one_says_so() {
    let Some(lab) = lab("memory-type-found") else { return };
    let region = lab.region(SIZE.to_string().parse().expect("a power of two")).expect("a name is found");
    let mut plan = lab.plan("web1", Some(&region));
    plan.agent = Some("run".to_owned());
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);
    let status = wait_for_status(&mut guest, "has found the memory", |status| status["region"].is_object());
    let memory = &status["region"]["memory"];
    assert_eq!((&memory["reason"], memory["read_ns"].is_f64()), (&"measured".into(), true), "{memory}");
    let emulated = memory["emulated"].as_bool().expect("yes or no");
    assert_eq!(
        emulated,
        memory["remedy"].as_str().is_some_and(|remedy| remedy.contains("emulated")),
        "{memory}"
    );
    let begin = bar(&mut guest);
    if emulated {
        assert_eq!(memory["type"], "write-back", "{memory}");
        assert_eq!(mapped(&mut guest, begin), [range(0, SIZE, "uncached-minus")], "by resource2 as a whole");
    }
}
