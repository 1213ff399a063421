//! A region's memory that is taken away from under an agent, and from under a program with a `Guest` of its own.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use ivring_guest::{Event, Guest, GuestSendError, Options, Port, SendError, Unanswered};

use crate::agent::{Agent, PATIENCE, Place, attached, stderr, uuid};
use crate::files::FakeMachine;
use crate::host::{Heard, Host, MIB, format, make_file};

fn resize(path: &Path, size: u64) {
    File::options().write(true).open(path).unwrap().set_len(size).unwrap();
}

#[test]
fn an_agent_outlives_a_file_that_is_cut_and_joins_it_again() {
    // The host of the test is a thread of this process.
    ivring_guest::guard_mappings().unwrap();
    let place = Place::new();
    let (host, mut agent) = attached(&place);
    let mut events = place.client().listen(Default::default(), None).unwrap();
    resize(&place.region(), 0);
    let line = agent.line_with("detached, the region is lost: ");
    assert!(line.contains("had no page at offset 0x") || line.contains("and now has 0"), "{line}");
    drop(host);
    let (code, status) = place.status();
    assert_eq!((code, &status["state"]), (Some(1), &"waiting".into()), "{status}");
    let reason = status["reason"].as_str().unwrap();
    assert!(line.contains(reason), "{reason:?} is not in {line:?}");
    let output = place.ask(&["send", "t", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(reason), "{}", stderr(&output));

    resize(&place.region(), MIB);
    agent.line_with("found a region's memory again; joining anew");
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    host.attached();
    agent.line_with("attached to region 'test', channel 0");
    assert_eq!(place.ask(&["send", "t", "again"]).status.code(), Some(0));
    let message = Heard::Message { topic: "t".into(), payload: b"again".to_vec(), redelivered: false };
    assert_eq!(host.next(), message);
    let told = [0, 1].map(|_| events.next_event(Some(PATIENCE)).unwrap().unwrap().0);
    let told = told.map(|event| serde_json::to_value(event).unwrap()["event"].clone());
    assert_eq!(told, ["detached", "attached"]);
    let blamed = agent.seen.iter().any(|line| line.contains("what cannot be"));
    assert!(!blamed, "the host was blamed: {:#?}", agent.seen);
}

#[test]
fn a_part_that_is_cut_off_and_never_touched_is_noticed() {
    let place = Place::new();
    let (_host, mut agent) = attached(&place);
    // The last page is that of a channel that nobody has.
    resize(&place.region(), MIB - 4096);
    agent.line_with("had 1048576 bytes and now has 1044480");
    resize(&place.region(), MIB);
    agent.line_with("found a region's memory again; joining anew");
    agent.line_with("attached to region 'test', channel 0");
}

#[test]
fn an_agent_outlives_a_device_that_is_unplugged() {
    ivring_guest::guard_mappings().unwrap();
    let place = Place::new();
    let machine = FakeMachine::new();
    machine.write("proc/sys/kernel/random/boot_id", "36b05040-ff12-4dcc-b108-967183781a75\n");
    machine.write("sys/class/dmi/id/product_uuid", &uuid(7));
    let memory = place.path().join("memory");
    make_file(&memory, MIB);
    format(&memory, 1);
    let region = fs::read(&memory).unwrap();
    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, &region);
    let host = Host::start(&device.path("resource2"));
    let mut command = place.command(&["run", "--config", "/dev/null"]);
    command.arg("--root").arg(machine.root());
    let mut agent = Agent::start(command);
    host.attached();
    agent.line_with("channel 0");

    // Its files go. The memory is still mapped, as that of a device is.
    fs::remove_file(machine.root().join("sys/bus/pci/devices/0000:00:1f.0")).unwrap();
    fs::remove_dir_all(device.path("")).unwrap();
    agent.line_with("the region is lost: PCI device 0000:00:1f.0 is gone: it was unplugged or removed");
    drop(host);
    assert_eq!(place.status().0, Some(1));

    let device = machine.plug_ivshmem("0000:00:1f.0", MIB, &region);
    let host = Host::start(&device.path("resource2"));
    agent.line_with("found a region's memory again; joining anew");
    host.attached();
    agent.line_with("channel 0");
}

#[test]
fn a_link_in_the_regions_place_is_not_followed() {
    let place = Place::new();
    let elsewhere = place.path().join("elsewhere");
    make_file(&elsewhere, MIB);
    format(&elsewhere, 1);
    symlink(&elsewhere, place.region()).unwrap();
    let output = place.run(1, &["--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("is a symbolic link: name the file itself"), "{}", stderr(&output));

    // Nor is one that comes in the place of a region that is in use.
    let place = Place::new();
    let (_host, mut agent) = attached(&place);
    symlink(&elsewhere, place.path().join("link")).unwrap();
    fs::rename(place.path().join("link"), place.region()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(place.status().1["state"], "attached", "what is mapped is as good as ever");
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.ended().code(), Some(0));
    assert!(!agent.seen.iter().any(|line| line.contains("replaced")), "{:#?}", agent.seen);
}

#[test]
fn every_descriptor_of_the_agent_closes_on_exec() {
    let place = Place::new();
    let (_host, agent) = attached(&place);
    let _client = place.client();
    let _ = place.status();
    let mut seen = 0;
    for entry in fs::read_dir(format!("/proc/{}/fdinfo", agent.pid())).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        let flags = u32::from_str_radix(flags, 8).unwrap();
        let what = fs::read_link(format!("/proc/{}/fd/{number}", agent.pid()));
        // What this test was started with is not the agent's own.
        let inherited = fs::read_link(format!("/proc/self/fd/{number}"))
            .is_ok_and(|ours| what.as_ref().ok() == Some(&ours));
        if number > 2 && !inherited {
            let closes = flags & nix::libc::O_CLOEXEC.cast_unsigned() != 0;
            assert!(closes, "descriptor {number}, {what:?}, flags {flags:o}");
            seen += 1;
        }
    }
    assert!(
        seen >= 2,
        "only {seen} descriptors were looked at: at least the socket's, the client's and that of signals"
    );
}

/// Polls until an event is what is wanted; those before it.
fn events_until(guest: &mut Guest, is_wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = Vec::new();
    loop {
        if let Some(event) = guest.wait(Duration::from_millis(100)) {
            if is_wanted(&event) {
                return before;
            }
            before.push(event);
        }
        assert!(Instant::now() < deadline, "it does not come, only {before:?}");
    }
}

#[test]
fn a_program_is_told_what_comes_to_nothing_and_that_a_region_is_found() {
    ivring_guest::guard_mappings().unwrap();
    let place = Place::new();
    make_file(&place.region(), MIB);
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    let options = Options {
        region: Some(place.region()),
        id: Some(uuid(1).parse().unwrap()),
        port: Port::new("program").unwrap(),
        ..Options::default()
    };
    let mut guest = Guest::join(options).unwrap();
    host.attached();
    let pause = host.pause();
    let asked = guest.request("never.answered", b"x", Duration::from_secs(60)).unwrap();
    resize(&place.region(), 4096);
    // Whatever the program does with it in between.
    for _ in 0..1000 {
        let _ = guest.push("t", b"x");
        guest.flush();
        guest.ack();
    }
    let before = events_until(&mut guest, |event| matches!(event, Event::RegionLost(_)));
    let [Event::Unanswered { id, why: Unanswered::Detached }] = before[..] else { panic!("{before:?}") };
    assert_eq!(id, asked);
    assert!(guest.lost().is_some() && !guest.is_attached());
    let error = guest.send("t", b"x").unwrap_err();
    assert!(matches!(error, GuestSendError::Send(SendError::NotAttached)), "{error}");
    drop((pause, host));

    fs::remove_file(place.region()).unwrap();
    make_file(&place.region(), 2 * MIB);
    format(&place.region(), 3);
    let host = Host::start(&place.region());
    let before = events_until(&mut guest, |event| matches!(event, Event::RegionFound));
    assert!(before.is_empty() && guest.lost().is_none(), "{before:?}");
    events_until(&mut guest, |event| matches!(event, Event::Attached { .. }));
    host.attached();
    assert_eq!(guest.region_size(), 2 * MIB);
}
