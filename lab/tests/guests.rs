//! The lab's own promises: guests boot, obey and share memory with the host.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use ivring_lab::{Answer, BOOT_LIMIT, Error, Guest, Lab, tools_or_skip};

const LIMIT: Duration = Duration::from_secs(20);

fn output(guest: &mut Guest, script: &str) -> String {
    let answer = guest.run(script, LIMIT).expect("the guest answers");
    assert_eq!(answer.status, 0, "{script}: {}", answer.output);
    answer.output.trim().to_owned()
}

#[test]
fn a_guest_runs_commands() -> Result<(), Error> {
    let Some(tools) = tools_or_skip("a_guest_runs_commands") else { return Ok(()) };
    let lab = Lab::new("commands", &tools, &[])?;
    let plan = lab.plan("web1", None);
    let mut guest = lab.start(&plan)?.wait(BOOT_LIMIT)?;
    assert_eq!(output(&mut guest, "hostname"), "web1");
    assert_eq!(output(&mut guest, "cat /sys/class/dmi/id/product_uuid"), plan.uuid);

    // Output and messages in order, the status, lines and no line at all, and every byte of much output.
    let answer = guest.run("echo one; echo two >&2\nprintf three; exit 7", LIMIT)?;
    assert_eq!(answer, Answer { status: 7, output: "one\ntwo\nthree".to_owned() });
    assert_eq!(guest.run("true", LIMIT)?, Answer { status: 0, output: String::new() });
    let numbers: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(guest.run("seq 1 20000", LIMIT)?.output, numbers);
    let long = "x".repeat(20_000);
    assert_eq!(output(&mut guest, &format!("echo {long}")), long);

    // What takes too long is killed; what is left in the background holds up nothing.
    assert_eq!(guest.run("sleep 1000", Duration::from_secs(1))?.status, 137);
    assert_eq!(output(&mut guest, "sleep 1000 & echo on"), "on");

    guest.run("echo first >/dev/console; echo second >/dev/console", LIMIT)?;
    assert_eq!(guest.wait_for_line("second", LIMIT)?, "second");
    assert!(guest.wait_for_line("first", Duration::ZERO).is_err(), "a line is found once");
    guest.power_off(LIMIT)
}

#[test]
fn host_and_guests_share_the_region() -> Result<(), Error> {
    let Some(tools) = tools_or_skip("host_and_guests_share_the_region") else { return Ok(()) };
    let lab = Lab::new("share", &tools, &[])?;
    let region = lab.region("8M".parse().expect("a power of two"))?;
    let mut guests = lab.boot(&[lab.plan("left", Some(&region)), lab.plan("right", Some(&region))])?;
    // The third line of `resource` is BAR 2; without a driver its memory decoding is off.
    let device = "/sys/bus/pci/devices/0000:00:1f.0";
    let bar = format!("echo 1 >{device}/enable; bar=$(sed -n '3s/ .*//p' {device}/resource)");
    let last = (8 << 20) - 4;

    let mut file = File::options().read(true).write(true).open(region.path()).expect("QEMU made the file");
    file.seek(SeekFrom::Start(last)).expect("the file has 8 MiB");
    file.write_all(&0x1234_5678_u32.to_le_bytes()).expect("the last word is in the file");
    for guest in &mut guests {
        assert_eq!(output(guest, &format!("{bar}; devmem $((bar + {last})) 32")), "0x12345678");
    }
    output(&mut guests[0], &format!("{bar}; devmem $bar 32 0xcafef00d"));
    assert_eq!(output(&mut guests[1], &format!("{bar}; devmem $bar 32")), "0xCAFEF00D");
    let mut word = [0; 4];
    file.rewind().and_then(|()| file.read_exact(&mut word)).expect("the first word is in the file");
    assert_eq!(u32::from_le_bytes(word), 0xcafe_f00d);

    drop((guests, lab));
    assert!(!fs::exists(region.path()).expect("/dev/shm can be read"), "the region is gone with the lab");
    Ok(())
}

#[test]
fn a_guest_is_paused_reset_killed_and_booted_again() -> Result<(), Error> {
    let Some(tools) = tools_or_skip("a_guest_is_paused_reset_killed_and_booted_again") else { return Ok(()) };
    let lab = Lab::new("power", &tools, &[])?;
    let plan = lab.plan("web1", None);
    let mut guest = lab.start(&plan)?.wait(BOOT_LIMIT)?;

    let beats = "i=0; while :; do i=$((i+1)); echo beat $i >/dev/console; sleep 0.05; done >/dev/null 2>&1 &";
    output(&mut guest, beats);
    guest.wait_for_line("beat", LIMIT)?;
    guest.pause()?;
    let at_pause = fs::read(guest.console()).expect("the console is kept");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        fs::read(guest.console()).expect("the console is kept"),
        at_pause,
        "a paused guest does nothing"
    );
    guest.resume()?;
    let beaten = String::from_utf8_lossy(&at_pause).lines().filter(|line| line.starts_with("beat")).count();
    guest.wait_for_line(&format!("beat {}", beaten + 3), LIMIT)?;

    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let first = output(&mut guest, boot_id);
    guest.reset()?;
    let second = output(&mut guest, boot_id);
    assert_ne!(first, second);

    let qemu = guest.process_id();
    guest.kill()?;
    assert!(!fs::exists(format!("/proc/{qemu}")).expect("/proc can be read"));
    let mut guest = lab.start(&plan)?.wait(BOOT_LIMIT)?;
    assert_ne!(output(&mut guest, boot_id), second);
    assert_eq!(output(&mut guest, "cat /sys/class/dmi/id/product_uuid"), plan.uuid);
    Ok(())
}

#[test]
fn a_guest_that_does_not_start_shows_what_qemu_says() -> Result<(), Error> {
    let Some(tools) = tools_or_skip("a_guest_that_does_not_start_shows_what_qemu_says") else {
        return Ok(());
    };
    let lab = Lab::new("no-start", &tools, &[])?;
    let mut plan = lab.plan("web1", None);
    plan.uuid = "web1".to_owned();
    let error = lab.start(&plan)?.wait(LIMIT).expect_err("that is no UUID").to_string();
    assert!(error.starts_with("guest web1 did not boot"), "{error}");
    assert!(error.contains("QEMU has ended (exit status: 1)"), "{error}");
    assert!(error.to_lowercase().contains("uuid"), "{error}");
    Ok(())
}
