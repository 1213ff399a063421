//! The host shows what the example `load` sends from its guests: a live table, or without a terminal a line a change.
//!
//! `cargo run -p ivring-host --example table -- [SOCKET]`, beside a running `ivringd`.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering::Relaxed};
use std::time::{Duration, Instant};

use ivring_host::bytemuck::{Pod, Zeroable};
use ivring_host::{Client, ClientOptions, Event, Identity, printable, value};

/// As the guest's program has it.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[bytemuck(crate = "ivring_host::bytemuck")]
#[repr(C)]
struct Load {
    tasks: f64,
    memory_percent: f64,
    uptime_seconds: f64,
}

#[derive(Default)]
struct Row {
    load: Load,
    log: Vec<u8>,
    round_trip: Option<Duration>,
}

fn line(name: &str, row: &Row) -> String {
    let Load { tasks, memory_percent, uptime_seconds } = row.load;
    let (name, log) = (printable(name).to_string(), String::from_utf8_lossy(&row.log));
    let trip = row.round_trip.map_or("-".into(), |time| format!("{time:.1?}"));
    let load = format!("{tasks:>8.2}{memory_percent:>9.0}{uptime_seconds:>10.0}");
    // Cut, as a guest can send numbers of 300 digits.
    format!("{name:<16.16}{load:.27}{trip:>12}  {:.60}", printable(&log).to_string())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))?;
    let daemon = ClientOptions { socket: std::env::args_os().nth(1).map(Into::into), region: None };
    let mut client = Client::connect(daemon.clone()).map_err(|error| error.to_string())?;
    let (mut rows, mut shown, mut next) = (HashMap::<Identity, Row>::new(), Vec::new(), Instant::now());
    while !stop.load(Relaxed) {
        match client.wait(Duration::from_millis(100)) {
            Some(Event::Message { guest, topic, payload, .. }) => match &topic[..] {
                "load" => rows.entry(guest).or_default().load = value(&payload).unwrap_or_default(),
                "log" => rows.entry(guest).or_default().log = payload,
                _ => {}
            },
            Some(Event::Pong { guest, round_trip, .. }) => {
                rows.entry(guest).or_default().round_trip = Some(round_trip);
            }
            Some(Event::Detached { guest, .. }) => drop(rows.remove(&guest)),
            Some(Event::Disconnected { .. }) => {
                while !stop.load(Relaxed) && Client::connect(daemon.clone()).map(|c| client = c).is_err() {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            _ => {}
        }
        if Instant::now() < next {
            continue;
        }
        next = Instant::now() + Duration::from_secs(1);
        let mut lines = vec!["GUEST               LOAD MEMORY %  UPTIME s  ROUND TRIP  LOG".to_owned()];
        for guest in client.guests() {
            let Some(row) = rows.get_mut(&guest.identity) else { continue };
            lines.push(line(&guest.name, row));
            row.round_trip = None;
            // One that can't be sent gets no answer either.
            let _ = client.ping(&guest.identity, &[], Duration::from_secs(1));
        }
        let text = if stdout().is_terminal() {
            format!("\x1b[H\x1b[J{}\n", lines.join("\n"))
        } else {
            lines.iter().filter(|line| !shown.contains(*line)).map(|line| format!("{line}\n")).collect()
        };
        if stdout().write_all(text.as_bytes()).is_err() {
            break; // Nobody reads any more.
        }
        shown = lines;
    }
    Ok(())
}
