//! Domains of libvirt that run get the device, lose it and get it again, with an agent in each that joins each time.

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{
    Artifacts, Error, Image, StockHost, build_vm_config, libvirt_or_skip, or_skip, tools_or_skip,
};
use serde_json::Value;

/// Many times what anything here takes, on a machine that is busy with other things, too.
const LIMIT: Duration = Duration::from_secs(90);
/// A `pc`, and a `q35` that has a free port, as libvirt leaves one.
const DOMAINS: [&str; 2] = ["web1", "db1"];

fn run(host: &StockHost, program: &str, arguments: &[&str]) -> Result<Output, Error> {
    host.libvirtd.run(program, arguments, b"")
}

/// Waits until this is so; `what` says what is awaited.
fn wait_for(
    host: &StockHost,
    what: &str,
    mut is_so: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let deadline = Instant::now() + LIMIT;
    while !is_so()? {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}\n{}", host.story()?);
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The names of the guests that are attached.
fn attached(host: &StockHost) -> Result<Vec<String>, Error> {
    let output = run(host, "ivring", &["ls", "--json"])?;
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let guests = listed["guests"].as_array().cloned().unwrap_or_default();
    let attached = guests.iter().filter(|guest| guest["state"] == "attached");
    let mut names: Vec<String> =
        attached.filter_map(|guest| guest["name"].as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    Ok(names)
}

/// How often the consoles show this text.
fn told(host: &StockHost, domain: &str, text: &str) -> Result<usize, Error> {
    Ok(host.libvirtd.read(&format!("/var/log/{domain}-console.log"))?.matches(text).count())
}

#[test]
fn domains_that_run_get_the_device_and_lose_it_and_get_it_again() -> Result<(), Error> {
    const TEST: &str = "domains_that_run_get_the_device_and_lose_it_and_get_it_again";
    let Some(tools) = tools_or_skip(TEST) else { return Ok(()) };
    let Some(()) = libvirt_or_skip(TEST) else { return Ok(()) };
    let artifacts = Artifacts::build()?;
    let host = StockHost::set_up(&tools, Image::WithAgent(&artifacts.agent));
    let Some(host) = or_skip(TEST, host) else { return Ok(()) };
    for program in [&artifacts.ivringd, &artifacts.ivring, &build_vm_config()?] {
        host.libvirtd.bring(program)?;
    }
    let vm_config = |arguments: &[&str], code: i32| -> Result<(), Error> {
        let output =
            run(&host, "ivring-vm-config", &[arguments, &DOMAINS, &["-c", "qemu:///system"]].concat())?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}\n{}", host.story()?);
        Ok(())
    };
    let daemon = "ivringd --config /dev/null >/var/log/ivringd.log 2>&1 &";
    run(&host, "sh", &["-c", daemon])?;
    for domain in DOMAINS {
        host.libvirtd.virsh(&["start", domain], b"")?;
    }
    for domain in DOMAINS {
        wait_for(&host, "an agent that waits for a device", || {
            Ok(told(&host, domain, "is ivshmem (1af4:1110)")? > 0)
        })?;
    }
    for round in 1..=2 {
        vm_config(&["apply", "--live", "--yes"], 0)?;
        wait_for(&host, "both attached", || Ok(attached(&host)? == ["db1", "web1"]))?;
        for domain in DOMAINS {
            let output = run(&host, "ivring", &["ping", domain])?;
            assert!(output.status.success(), "{}", host.story()?);
        }
        vm_config(&["remove", "--live", "--yes"], 0)?;
        for domain in DOMAINS {
            wait_for(&host, "the agent has let go", || {
                Ok(told(&host, domain, "the region is lost")? == round)
            })?;
        }
        wait_for(&host, "both channels are free", || Ok(attached(&host)?.is_empty()))?;
    }
    // One process in each has seen all of that.
    for domain in DOMAINS {
        assert_eq!(told(&host, domain, "ivring-agent ended")?, 0, "{}", host.story()?);
        assert_eq!(told(&host, domain, "found a region's memory again")?, 1, "{}", host.story()?);
    }
    Ok(())
}
