//! Symbolic links in a region's place, also ones that come and go while it is opened.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use ivring_host::region_file::{RegionError, RegionFile};

use crate::place::Place;
use crate::two::Ended;

const MIB: u64 = 1 << 20;

#[test]
fn a_link_that_comes_and_goes_is_never_followed() {
    let place = Place::new();
    let (path, victim) = (place.region_path(), place.region_path_of("victim"));
    let (link, file) = (place.region_path_of("link"), place.region_path_of("file"));
    // What would be taken and allocated if it stood there itself.
    File::create_new(&victim).unwrap().set_len(MIB).unwrap();
    let before = fs::metadata(&victim).unwrap();
    let end = AtomicBool::new(false);
    let (mut opened, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                symlink(&victim, &link).unwrap();
                fs::rename(&link, &path).unwrap();
                File::create_new(&file).unwrap().set_len(MIB).unwrap();
                fs::rename(&file, &path).unwrap();
            }
        });
        let _ended = Ended(&end);
        // Until both have happened, whatever the two threads' speed.
        while opened < 50 || refused < 50 {
            match RegionFile::open(&path, None) {
                Ok(region) => {
                    let open = region.file().metadata().unwrap();
                    assert_ne!((open.dev(), open.ino()), (before.dev(), before.ino()), "it was followed");
                    opened += 1;
                }
                Err(RegionError::NotAFile { kind, .. }) => {
                    assert_eq!(kind, "a symbolic link");
                    refused += 1;
                }
                Err(RegionError::Unsettled { .. } | RegionError::Io { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    });
    let after = fs::metadata(&victim).unwrap();
    assert_eq!((after.len(), after.blocks(), after.mode()), (before.len(), 0, before.mode()));
}
