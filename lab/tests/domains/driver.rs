//! The libvirt that all tests here run on.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{Place, domain};

/// Far longer than the kernel and a shell need to end a process.
const LIMIT: Duration = Duration::from_secs(20);

/// The processes that name `folder` on their command line.
fn users_of(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let uses = |process: &String| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        process.bytes().all(|byte| byte.is_ascii_digit()) && String::from_utf8_lossy(&line).contains(folder)
    };
    names.filter(uses).collect()
}

#[test]
fn its_domains_outlive_a_command_and_end_with_it() {
    let Some(place) = Place::new("its_domains_outlive_a_command_and_end_with_it") else { return };
    place.libvirt.define(&domain("a", "pc", "")).expect("it is defined");
    assert_eq!(place.virsh(&["start", "a"], "").code, 0);
    let folder = place.libvirt.folder().display().to_string();
    assert_eq!(users_of(&folder).len(), 1, "the domain runs");
    assert!(place.libvirt.live("a").expect("it runs").starts_with("<domain type='qemu' id='1'"));
    drop(place);
    assert!(!fs::exists(&folder).expect("it can be looked for"));
    let deadline = Instant::now() + LIMIT;
    while !users_of(&folder).is_empty() {
        assert!(Instant::now() < deadline, "it runs on");
        thread::sleep(Duration::from_millis(10));
    }
}
