//! A VM is known to be gone by its process, here with a process of our own that maps a real region.

mod shm_name;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use ivring_host::mappers::{Mappers, Runs, Sightings};
use ivring_host::region_file::RegionFile;
use ivring_proto::memory::MappedFile;
use ivring_proto::session::Uuid;
use shm_name::ShmName;

/// Set in the process that maps the region.
const REGION: &str = "IVRING_TEST_REGION";
const MAPPED: &str = "the region is mapped";

/// Ended also when the test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_vm_is_gone_with_its_process() {
    if let Some(path) = std::env::var_os(REGION) {
        return map_until_killed(path.as_ref());
    }
    let uuid: Uuid = "5f3c9a52-6f0e-4c1b-9d39-0a4be1f60001".parse().unwrap();
    let name = ShmName::new();
    let region = RegionFile::open(name.path(), Some(1 << 20)).unwrap();
    let _mapping = MappedFile::map(region.file(), region.size()).unwrap();
    let mut sightings = Sightings::default();

    let mut child = Ended(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_vm_is_gone_with_its_process", "--nocapture"])
            // Filters that match no test; to the outside they are QEMU's option.
            .args(["--", "-uuid", &uuid.to_string()])
            .env(REGION, name.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let output = BufReader::new(child.0.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains(MAPPED)), "it has not mapped the region");

    let scan = Mappers::scan(&region).unwrap();
    let found = scan.others().iter().find(|mapper| mapper.pid == child.0.id()).expect("the process is found");
    assert_eq!(found.runs, Runs::Vm(vec![uuid]));
    assert_eq!(scan.is_mapped_by_others(), Some(true));
    assert_eq!(sightings.vm_is_gone(&scan, uuid), Some(false));
    sightings.note(&scan, |_| true);

    drop(child);
    let scan = Mappers::scan(&region).unwrap();
    assert_eq!(scan.others(), []);
    assert_eq!(
        sightings.vm_is_gone(&scan, uuid),
        Some(true),
        "cannot be looked into: {:?}",
        scan.unreadable()
    );
}

fn map_until_killed(path: &std::path::Path) {
    let region = RegionFile::open_read_only(path).expect("a region is there");
    let _mapping = MappedFile::map_read_only(region.file(), region.size()).expect("it can be mapped");
    println!("{MAPPED}");
    // The pipe ends with the test, should it be killed itself.
    std::io::stdin().lines().for_each(drop);
}
