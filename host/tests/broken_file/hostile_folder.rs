//! The folder of the control socket, with files that the daemon did not make.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::Daemon;
use crate::two::A;
use crate::unprivileged::{daemon, give};

fn start(place: &Place) -> Daemon {
    let arguments = ["--size", "1M", "--channels", "4", "--region", place.region()];
    Daemon::start_command(place, daemon(place, &arguments))
}

/// Where the daemon keeps its table of sessions.
fn table(place: &Place) -> PathBuf {
    place.directory().join(format!("{}.sessions", place.region()))
}

fn remove(path: &Path) {
    fs::remove_file(path).or_else(|_| fs::remove_dir(path)).unwrap();
}

#[test]
fn a_table_that_is_no_table_costs_no_session() {
    let place = Place::new();
    let mut running = start(&place);
    let guest = FakeGuest::attached(&place.region_path(), A, "web1");
    running.ok(&["ping", "web1", "--count", "1"]);
    let (path, elsewhere) = (table(&place), place.directory().join("elsewhere"));
    fs::write(&elsewhere, "somebody's letters").unwrap();
    give(&elsewhere);

    type Spoil<'a> = (&'a str, &'a dyn Fn());
    let spoils: [Spoil; 6] = [
        ("cut", &|| File::options().write(true).open(&path).unwrap().set_len(40).unwrap()),
        ("garbage", &|| fs::write(&path, "{\"device\": -1, \u{0}").unwrap()),
        ("endless", &|| File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap()),
        ("a link", &|| {
            remove(&path);
            symlink(&elsewhere, &path).unwrap();
        }),
        ("a FIFO", &|| {
            remove(&path);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
        }),
        ("a directory", &|| {
            remove(&path);
            fs::create_dir(&path).unwrap();
        }),
    ];
    for (what, spoil) in spoils {
        running.signal(Signal::SIGKILL);
        running.wait();
        spoil();
        running = start(&place);
        assert_eq!(running.guests()[0]["state"], "attached", "{what}: the region itself still says so");
        running.ok(&["send", "web1", "t", what]);
        assert_eq!(guest.message(), ("t".to_owned(), what.as_bytes().to_vec(), false));
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), b"somebody's letters");
    drop(guest);
    running.stopped();
}

#[test]
fn a_new_table_is_not_written_through_a_link() {
    let place = Place::new();
    let elsewhere = place.directory().join("elsewhere");
    fs::write(&elsewhere, "somebody's letters").unwrap();
    give(&elsewhere);
    symlink(&elsewhere, table(&place).with_extension("sessions.new")).unwrap();
    let running = start(&place);
    let _guest = FakeGuest::attached(&place.region_path(), A, "web1");
    running.ok(&["ping", "web1", "--count", "1"]);
    assert!(fs::symlink_metadata(table(&place)).unwrap().is_file());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"somebody's letters");
    running.stopped();
}
