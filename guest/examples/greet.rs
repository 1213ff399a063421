//! A program of its own in a guest: greets the host, then prints what the host sends to it.
//!
//! `cargo run -p ivring-guest --example greet` joins over the PCI device; on the host, a region's file can be named.

use std::time::Duration;

use ivring_guest::{Event, Guest, Options, Port};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let region = std::env::args().nth(1).map(Into::into);
    let mut guest = Guest::join(Options { region, port: Port::new("greeter")?, ..Options::default() })?;
    guest.send("greeting", b"hello host")?;
    loop {
        if let Some(Event::Message { topic, payload, .. }) = guest.wait(Duration::from_secs(1)) {
            println!("{topic}: {}", payload.escape_ascii());
        }
    }
}
