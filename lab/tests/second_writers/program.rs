//! A program in a guest's place, in a thread of the test: it joins, and its library answers pings.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ivring_guest::{Event, Guest, Options, Uuid};

use crate::setup::wait_for;

#[derive(Debug)]
pub struct Program {
    events: Arc<Mutex<Vec<String>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it; it says good-bye when it is dropped.
    pub fn start(region: &str, name: &str, id: u128) -> Self {
        let options = Options {
            region: Some(Path::new(region).to_owned()),
            id: Some(Uuid::from_u128(id)),
            name: Some(name.to_owned()),
            ..Options::default()
        };
        let (events, end) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (told, ended) = (Arc::clone(&events), Arc::clone(&end));
        let thread = thread::spawn(move || {
            let mut guest = Guest::open(options).expect("the region is there");
            while !ended.load(Ordering::Relaxed) {
                if let Some(event) = guest.wait(Duration::from_millis(20)) {
                    told.lock().expect("nobody panics with it").push(text(&event));
                }
            }
        });
        Program { events, end, thread: Some(thread) }
    }

    /// What happened to it, but for what it waits for.
    pub fn events(&self) -> Vec<String> {
        self.events.lock().expect("nobody panics with it").clone()
    }

    /// Waits until the last thing that happened to it is that it was attached, for that many times now.
    pub fn wait_until_attached(&self, times: usize) {
        wait_for("the program is attached", || {
            let events = self.events();
            let attached = events.iter().filter(|event| *event == "attached").count();
            (attached == times && events.last().is_some_and(|event| event == "attached")).then_some(())
        });
    }
}

fn text(event: &Event) -> String {
    match event {
        Event::Attached { .. } => "attached".to_owned(),
        Event::Detached(reason) => format!("detached: {reason}"),
        Event::Waiting(waiting) => format!("waiting: {waiting}"),
        other => format!("{other:?}"),
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the program panicked");
        }
    }
}
