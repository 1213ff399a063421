//! What stands in the way of joining, and that the agent says so and joins once it is gone.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::agent::{wait_for_status, wait_until_attached};
use crate::daemon::{Daemon, run};
use crate::setup::{LIMIT, lab, output, programs, wait_for};

/// Writes a word into a region's superblock.
fn store(path: &str, at: u64, word: u64) {
    let mut file = File::options().write(true).open(path).expect("QEMU made it");
    file.seek(SeekFrom::Start(at)).expect("it is large enough");
    file.write_all(&word.to_le_bytes()).expect("it is large enough");
}

#[test]
fn a_guest_that_was_there_before_the_daemon_says_what_it_waits_for_and_joins() {
    let Some(lab) = lab("before-the-daemon") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let path = region.path();
    let plan = lab.plan("web1", Some(&region));
    let uuid = plan.uuid.clone();
    let mut guest = lab.boot(&[plan]).expect("it boots").remove(0);

    // Nobody has switched on the device's memory; bit 1 of the command register, the third word of the configuration.
    let config = "/sys/bus/pci/devices/0000:00:1f.0/config";
    output(&mut guest, &format!("printf '\\000\\000' | dd of={config} bs=1 seek=4 conv=notrunc 2>/dev/null"));
    let memory_decoding = format!(
        "[ $(( $(dd if={config} bs=1 skip=4 count=1 2>/dev/null | od -An -tu1) & 2 )) = 2 ] && echo on || echo off"
    );
    assert_eq!(output(&mut guest, &memory_decoding), "off");
    let once = guest.run("ivring-agent run --once --socket /tmp/once", LIMIT).expect("the guest answers");
    assert_eq!(once.status, 3, "{}", once.output);
    assert!(once.output.contains("not formatted yet"), "{}", once.output);
    assert_eq!(output(&mut guest, &memory_decoding), "on");

    output(&mut guest, "ivring-agent run >/dev/console 2>&1 &");
    let mut says = |words: &str| {
        let status = wait_for_status(&mut guest, &format!("waits: {words}"), |status| {
            status["reason"].as_str().is_some_and(|reason| reason.contains(words))
        });
        assert_eq!(status["state"], "waiting");
        guest.wait_for_line(words, LIMIT).expect("it is in the log, too");
    };
    says("not formatted yet");
    store(&path, 0, u64::from_le_bytes(*b"not one!"));
    says("no ivring region");
    // The same magic with a newer version: both at 16, minimum and maximum, are major 9.
    store(&path, 8, 2);
    store(&path, 16, 0x0009_0000_0009_0000);
    store(&path, 0, 0x0100_676e_6972_7669);
    says("install a matching version");
    for at in [0, 8, 16] {
        store(&path, at, 0);
    }
    says("not formatted yet");

    let daemon = Daemon::start(&lab, &["--region", region.name()]);
    wait_until_attached(&mut guest);
    daemon.assert_answers_soon("web1");

    // Somebody who says he is this guest, and is not, while it lives.
    let arguments = ["run", "--once", "--region", &path, "--id", &uuid, "--name", "impostor"];
    let mut impostor = Command::new(&programs().artifacts.agent);
    let refused = run(impostor.args(arguments).arg("--socket").arg(lab.folder().join("impostor")));
    assert_eq!(refused.status, Some(3), "{refused:?}");
    assert!(refused.messages.contains("a living guest has this UUID already"), "{refused:?}");
    daemon.wait_for_line(&["impostor", "refused", "a living guest has this UUID already"]);
    daemon.assert_answers("web1");
}

#[test]
fn one_guest_more_than_channels_is_refused_until_one_is_free() {
    let Some(lab) = lab("too-many") else { return };
    let region = lab.region("8M".parse().expect("a power of two")).expect("a name is found");
    let daemon = Daemon::start(&lab, &["--region", region.name(), "--channels", "2"]);
    // A process of the host takes one channel, a guest the other.
    let mut command = Command::new(&programs().artifacts.agent);
    let first = lab.plan("first", None);
    command.args(["run", "--region", &region.path(), "--id", &first.uuid, "--name", "first"]);
    command.arg("--socket").arg(lab.folder().join("first"));
    let mut first = lab.spawn("first", command).expect("it starts");
    daemon.wait_for_guest("first", "attached");
    let mut plans = [lab.plan("web1", Some(&region)), lab.plan("web2", Some(&region))];
    for plan in &mut plans {
        plan.agent = Some("run".to_owned());
    }
    let mut web1 = lab.boot(&plans[..1]).expect("it boots").remove(0);
    wait_until_attached(&mut web1);
    let mut web2 = lab.boot(&plans[1..]).expect("it boots").remove(0);

    let refused = wait_for_status(&mut web2, "refused", |status| {
        status["reason"].as_str().is_some_and(|reason| reason.contains("all 2 channels are taken"))
    });
    assert_eq!(refused["state"], "waiting");
    web2.wait_for_line("all 2 channels are taken", LIMIT).expect("it is in the guest's log");
    daemon.wait_for_line(&["web2", "refused", "all 2 channels are taken"]);
    let status = web2.run("ivring-agent status", LIMIT).expect("the guest answers");
    assert_eq!(status.status, 1, "{}", status.output);
    assert_eq!(daemon.guests().len(), 2);
    daemon.assert_answers("web1");

    first.signal(Signal::SIGTERM).expect("it runs");
    wait_until_attached(&mut web2);
    daemon.assert_answers_soon("web2");
    daemon.assert_answers("web1");
}

#[test]
fn without_a_device_the_agent_says_so() {
    let Some(lab) = lab("no-device") else { return };
    let mut guest = lab.boot(&[lab.plan("web1", None)]).expect("it boots").remove(0);
    let once = guest.run("ivring-agent run --once", LIMIT).expect("the guest answers");
    assert_eq!(once.status, 3, "{}", once.output);
    assert!(once.output.contains("ivshmem"), "{}", once.output);
    let pci = guest.run("ivring-agent pci", LIMIT).expect("the guest answers");
    assert_eq!(pci.status, 1, "{}", pci.output);
    output(&mut guest, "ivring-agent run >/dev/console 2>&1 &");
    guest.wait_for_line("ivshmem", LIMIT).expect("it waits and says for what");
    wait_for("an agent that goes on waiting", || {
        guest.run("pidof ivring-agent", LIMIT).is_ok_and(|answer| answer.status == 0).then_some(())
    });
    let status = guest.run("ivring-agent status", LIMIT).expect("the guest answers");
    assert_eq!(status.status, 1, "{}", status.output);
}
