//! A guest streams its load and a log to the host, and answers the request `ps`.
//!
//! `cargo run -p ivring-guest --example load -- [LOG [REGION]]`: the kernel's log and the PCI device if not told otherwise.

use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, error::Error, fs, os::unix::fs::OpenOptionsExt as _, path::Path, path::PathBuf};

use ivring_guest::bytemuck::{Pod, Zeroable};
use ivring_guest::{Event, Guest, Options, Port, Status};

/// Sent each second; the host's program has the same type.
#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "ivring_guest::bytemuck")]
#[repr(C)]
struct Load {
    tasks: f64,
    memory_percent: f64,
    uptime_seconds: f64,
}

fn measure() -> Option<Load> {
    let number = |path, at| fs::read_to_string(path).ok()?.split_whitespace().nth(at)?.parse::<f64>().ok();
    let (tasks, uptime_seconds) = (number("/proc/loadavg", 0)?, number("/proc/uptime", 0)?);
    let (all, available) = (number("/proc/meminfo", 1)?, number("/proc/meminfo", 7)?);
    Some(Load { tasks, memory_percent: 100.0 - 100.0 * available / all, uptime_seconds })
}

/// Memory, number and command line of each process, the largest first.
fn processes() -> String {
    let process = |folder: fs::DirEntry| {
        let number: u32 = folder.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(folder.path().join("status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim();
        let command = fs::read_to_string(folder.path().join("cmdline")).ok()?.replace('\0', " ");
        Some(format!("{memory:>12} {number:>7} {command}\n"))
    };
    let mut all: Vec<_> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(process).collect();
    all.sort_unstable();
    all.into_iter().rev().collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))?;
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let path = arguments.next().unwrap_or("/dev/kmsg".into());
    let is_kernel = path == Path::new("/dev/kmsg");
    let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut log = BufReader::new(fs::File::options().read(true).custom_flags(nonblocking).open(&path)?);
    log.seek(SeekFrom::End(0))?;
    let options = Options { region: arguments.next(), port: Port::new("load")?, ..Options::default() };
    let mut guest = Guest::open(options).map_err(|error| error.to_string())?;
    let (mut line, mut dropped, mut next) = (Vec::new(), 0, Instant::now());
    while !stop.load(Relaxed) {
        let done = match guest.wait(Duration::from_millis(100)) {
            Some(Event::Request { id, topic, .. }) if topic == "ps" => {
                guest.respond(id, Status::Ok, processes().as_bytes())
            }
            Some(Event::Request { id, .. }) => guest.respond(id, Status::NoHandler, &[]),
            Some(Event::Superseded) => return Err("another program has the port `load` now".into()),
            _ => Ok(()),
        };
        dropped += u64::from(done.is_err());
        if !guest.is_attached() {
            continue;
        }
        // What finds no room is dropped, not waited for; the host is told how much when there is room again.
        if dropped > 0 && guest.send("log", format!("{dropped} dropped: no room").as_bytes()).is_ok() {
            dropped = 0;
        }
        // A bounded number, as a guest wants to be polled. Of an unfinished line the rest comes later.
        for _ in 0..64 {
            if log.read_until(b'\n', &mut line).is_err() || line.pop_if(|last| *last == b'\n').is_none() {
                break;
            }
            // The kernel puts numbers and a semicolon before a line.
            let text = line.iter().position(|&byte| byte == b';' && is_kernel).map_or(0, |at| at + 1);
            dropped += u64::from(guest.push("log", &line[text..]).is_err());
            line.clear();
        }
        guest.flush();
        if next <= Instant::now() {
            next = Instant::now() + Duration::from_secs(1);
            dropped += u64::from(guest.send_value("load", &measure().ok_or("no /proc")?).is_err());
        }
    }
    Ok(()) // The guest says good-bye when it is dropped.
}
