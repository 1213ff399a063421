//! A daemon with two regions and a guest in each: one region breaks, and the other is to notice nothing.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::fake_guest::FakeGuest;
use crate::place::Place;
use crate::running::{Daemon, LIMIT};
use crate::unprivileged::daemon;

pub const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
pub const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

/// Size of both regions in bytes.
pub const SIZE: u64 = 1 << 20;

/// Says so to a thread when dropped, also by a test that fails: else it would be waited for without an end.
pub struct Ended<'a>(pub &'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub struct Two {
    pub daemon: Daemon,
    /// In the region that breaks.
    pub web1: FakeGuest,
    /// In the other.
    pub web2: FakeGuest,
    breaks: Place,
    stays: Place,
}

impl Two {
    pub fn start() -> Self {
        // The guests are threads of this process, and find the region broken, too.
        ivring_host::guard_mappings().unwrap();
        let (breaks, stays) = (Place::new(), Place::new());
        let regions =
            ["--size", "1M", "--channels", "4", "--region", breaks.region(), "--region", stays.region()];
        let daemon = Daemon::start_command(&breaks, daemon(&breaks, &regions));
        let web1 = FakeGuest::attached(&breaks.region_path(), A, "web1");
        let web2 = FakeGuest::attached(&stays.region_path(), B, "web2");
        Two { daemon, web1, web2, breaks, stays }
    }

    /// The file that is to break.
    pub fn path(&self) -> PathBuf {
        self.breaks.region_path()
    }

    /// A file beside it, removed at the end.
    pub fn beside(&self) -> PathBuf {
        self.breaks.region_path_of("beside")
    }

    /// What `ivring ls --json` shows.
    pub fn list(&self) -> Value {
        self.daemon.json(&["ls"])
    }

    /// The names of the guests that are served.
    pub fn names(&self) -> Vec<String> {
        let list = self.list();
        let guests = list["guests"].as_array().unwrap();
        guests.iter().map(|guest| guest["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the first region is shown as not served, for a reason that has these words; the reason.
    pub fn wait_until_lost(&self, words: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let list = self.list();
            let lost = &list["not_served"][0];
            let reason = lost["reason"].as_str().unwrap_or_default();
            if reason.contains(words) {
                assert_eq!(lost["region"], self.breaks.region());
                assert_eq!(lost["path"], self.path().to_str().unwrap());
                return reason.to_owned();
            }
            assert!(Instant::now() < deadline, "{words:?}: {list}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Waits until both regions are served.
    pub fn wait_until_served(&self) {
        let deadline = Instant::now() + LIMIT;
        while !self.list()["not_served"].is_null() {
            assert!(Instant::now() < deadline, "{}", self.list());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// The region is lost and shown so, and the other one works in every direction.
    pub fn one_is_lost_and_the_other_works(&self) {
        self.the_other_works();
        assert_eq!(self.names(), ["web2"]);
        let ls = |arguments: &[&str]| self.daemon.ivring(&[&["ls"], arguments].concat()).output().unwrap();
        let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
        let all = ls(&[]);
        assert_eq!(all.status.code(), Some(0));
        let line = format!("region {} is not served: ", self.breaks.region());
        assert!(text(&all).contains(&line) && text(&all).contains("web2"), "{}", text(&all));
        let lost = ls(&["--region", self.breaks.region()]);
        assert_eq!(lost.status.code(), Some(1));
        assert!(text(&lost).contains(&line) && !text(&lost).contains("web2"), "{}", text(&lost));
        let other = ls(&["--region", self.stays.region()]);
        assert_eq!(other.status.code(), Some(0));
        assert!(!text(&other).contains(&line), "{}", text(&other));
        let (code, said) = self.daemon.fails(&["send", "web1", "t", "x"]);
        assert_eq!(code, 1);
        assert!(said.contains("no guest `web1` is here"), "{said}");
    }

    pub fn the_other_works(&self) {
        self.daemon.ok(&["ping", "web2", "--count", "1"]);
        self.daemon.ok(&["send", "web2", "t", "still here"]);
        assert_eq!(self.web2.message(), ("t".to_owned(), b"still here".to_vec(), false));
        self.web2.is_heard();
    }

    /// Ends it well; its log. Nobody was blamed for what the file did.
    pub fn stopped(self) -> String {
        let Two { daemon, web1, web2, .. } = self;
        drop((web1, web2));
        let log = daemon.stopped();
        assert!(!log.contains("broke its ring"), "{log}");
        log
    }
}
