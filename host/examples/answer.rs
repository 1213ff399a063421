//! A host of its own: prints what the guests of a region send, and answers what they ask.
//!
//! `cargo run -p ivring-host --example answer` serves `/dev/shm/fg_i3`, or the region that is named.

use std::time::Duration;

use ivring_host::{Event, Host, Options, Status};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let region = std::env::args().nth(1).unwrap_or_else(|| "fg_i3".into());
    let mut host = Host::open(Options::new(region))?;
    loop {
        match host.wait(Duration::from_secs(1)) {
            Some(Event::Message { guest, topic, payload, .. }) => {
                println!("{guest} {topic}: {}", payload.escape_ascii());
            }
            Some(Event::Request { guest, id, topic, .. }) => {
                host.respond(&guest, id, Status::Ok, format!("you asked for {topic}").as_bytes())?;
            }
            _ => {}
        }
    }
}
