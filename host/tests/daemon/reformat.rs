//! `ivringd --reformat`: another size or number of channels, while nobody has the region.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use ivring_proto::layout::{RegionState, read_superblock, superblock_word};
use ivring_proto::memory::MappedFile;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;

const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
const MIB: u64 = 1 << 20;

/// Size, channels and generation of the place's region.
fn geometry(place: &Place) -> (u64, u64, u64) {
    let file = File::open(place.region_path()).expect("the region is there");
    let size = file.metadata().expect("its size").len();
    let memory = MappedFile::map_read_only(&file, size).expect("a mapping");
    let superblock = read_superblock(&memory).expect("a region");
    assert_eq!((superblock.state, superblock.geometry.size()), (RegionState::Ready, size));
    (size, superblock.geometry.channels(), superblock.generation)
}

/// Formats the region anew and has a guest join it.
fn reformatted(place: &Place, arguments: &[&str]) {
    let daemon =
        Daemon::start_with(place, &[&["--reformat", "--region", place.region()], arguments].concat());
    assert!(daemon.guests().is_empty(), "a session of before is still there");
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.ok(&["send", "web1", "t", "hello"]);
    assert_eq!(guest.message(), ("t".to_owned(), b"hello".to_vec(), false));
    drop(guest);
    daemon.stopped();
}

#[test]
fn a_region_gets_another_geometry_and_another_generation_in_the_same_file() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    guest.send("log", b"what waits is forgotten");
    drop(guest);
    daemon.stopped();
    let inode = fs::metadata(place.region_path()).unwrap().ino();
    assert_eq!(geometry(&place), (MIB, 4, 1));
    for (arguments, expected) in [
        (&["--channels", "7"][..], (MIB, 7, 2)),
        (&["--size", "4M", "--channels", "3"], (4 * MIB, 3, 3)),
        (&["--size", "2M"], (2 * MIB, 3, 4)),
        (&[], (2 * MIB, 3, 5)),
    ] {
        reformatted(&place, arguments);
        assert_eq!(geometry(&place), expected, "{arguments:?}");
        let file = fs::metadata(place.region_path()).unwrap();
        assert_eq!(file.ino(), inode);
        assert!(file.blocks() * 512 >= expected.0, "it has holes");
    }
}

#[test]
fn a_region_that_another_process_maps_is_left_as_it_is() {
    let place = Place::new();
    let daemon = Daemon::start(&place);
    // In this process, which is another one to the daemon.
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    daemon.stopped();
    let paused = guest.pause();
    let before = fs::read(place.region_path()).unwrap();
    let (code, said) =
        Daemon::fails_with(&place, &["--reformat", "--region", place.region(), "--size", "2M"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&format!("mapped by process {}", std::process::id())), "{said}");
    assert_eq!(fs::read(place.region_path()).unwrap(), before, "something was changed");
    drop(paused);
    let daemon = Daemon::start_with(&place, &["--region", place.region()]);
    assert_eq!(daemon.guests()[0]["state"], "attached", "the session goes on");
    drop(guest);
    daemon.stopped();
}

#[test]
fn a_damaged_superblock_is_mended_and_what_is_no_region_is_left_alone() {
    let place = Place::new();
    Daemon::start(&place).stopped();
    let file = File::options().write(true).open(place.region_path()).unwrap();
    file.write_all_at(&1_u64.to_le_bytes(), superblock_word::RINGS).unwrap();
    let (code, said) = Daemon::fails_with(&place, &["--region", place.region()]);
    assert_eq!(code, 4, "{said}");
    reformatted(&place, &["--channels", "4"]);
    assert_eq!(geometry(&place), (MIB, 4, 2));

    let letters = vec![b'x'; 1 << 20];
    fs::write(place.region_path(), &letters).unwrap();
    let (code, said) = Daemon::fails_with(&place, &["--reformat", "--region", place.region()]);
    assert_eq!(code, 4, "{said}");
    assert_eq!(fs::read(place.region_path()).unwrap(), letters);
}

#[test]
fn numbers_that_cannot_be_change_nothing_and_no_file_holds_the_option() {
    let place = Place::new();
    Daemon::start(&place).stopped();
    let before = fs::read(place.region_path()).unwrap();
    for arguments in [["--channels", "255"], ["--channels", "0"], ["--size", "3M"]] {
        let all = [&["--reformat", "--region", place.region()][..], &arguments].concat();
        let (code, said) = Daemon::fails_with(&place, &all);
        assert_eq!(code, 4, "{said}");
    }
    let config = place.directory().join("ivringd.toml");
    fs::write(&config, "reformat = true").unwrap();
    let all = ["--region", place.region(), "--config", config.to_str().unwrap()];
    let (code, said) = Daemon::fails_with(&place, &all);
    assert!(code == 4 && said.contains("unknown key `reformat`"), "{said}");
    assert_eq!(fs::read(place.region_path()).unwrap(), before);

    // What is not there yet is made, as ever.
    let new = Place::new();
    reformatted(&new, &["--size", "1M"]);
}
