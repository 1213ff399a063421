//! The command `watch`.

mod inbox;
mod known;
mod lost;
mod notebook;
mod pass;
mod verdict;
mod voice;
mod watcher;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use clap::Args;
use glob::Pattern;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::backup_options::BackupOptions;
use crate::options::DeviceOptions;
use crate::state_options::StateOptions;
use crate::targets::ConnectOptions;
use crate::watch::inbox::Inbox;
use crate::watch::voice::Voice;
use crate::watch::watcher::{Orders, Watcher};
use crate::{Failure, exit};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config watch                           every domain of this host, also those that are defined later
  ivring-vm-config watch --live                    running domains at once, where their machine can
  ivring-vm-config watch --exclude 'win*' -c qemu:///system -c qemu:///session
  ivring-vm-config watch --once                    what is there now, then end

Does what apply --all does, once at the start and then whenever libvirt tells that a domain was defined, edited, renamed,
started or reverted to a snapshot; every --rescan all domains are looked at again. A libvirt that goes away is waited for.
What is done or found wrong is told once, a line each, on standard error; with --json as an object a line on standard
output.

A domain from which the device was taken on purpose is left alone: by remove or rollback, or by somebody who took the device
out of its configuration and changed nothing else in it. Status shows it as removed, and with what gives it the device
again. A revert to a snapshot, a new definition and any other edit are no such purpose.

A domain that is refused, or fails, is tried again when it has changed, else every ten rescans. With --live, a running
domain whose machine cannot take the device gets it with its next start.

Ctrl-C or SIGTERM ends it after the domain in hand; a second one at once.

Exit codes: 0 ended by a signal; with --once those of apply. 2 usage, 4 a name or size that cannot be used, 5 virsh is not
installed, or what it remembers cannot be read, 6 ended by a second signal.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchOptions {
    #[command(flatten)]
    connect: ConnectOptions,
    /// Look at all domains so often, whatever libvirt tells
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = rescan)]
    rescan: Duration,
    /// Look at all domains once, then end
    #[arg(long)]
    once: bool,
    /// Leave out domains whose name matches; repeats
    #[arg(long, value_name = "GLOB", value_parser = |text: &str| Pattern::new(text))]
    exclude: Vec<Pattern>,
    /// Give it to running domains at once, too
    #[arg(long)]
    live: bool,
    /// Also to domains from which it was taken on purpose
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    backups: BackupOptions,
    #[command(flatten)]
    state: StateOptions,
    /// Print what was done or found wrong as JSON, an object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOptions,
}

/// The shortest time between two looks at everything. Reading a few hundred domains takes about that long.
const SHORTEST_RESCAN: Duration = Duration::from_secs(1);

fn rescan(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time < SHORTEST_RESCAN {
        return Err("it is 1s at least".to_owned());
    }
    Ok(time)
}

impl WatchOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        let request = self.device.request()?;
        let ledger = self.state.ledger();
        // Who was left alone so far is not to get the device because that cannot be read.
        ledger.read()?;
        let connections = self.connect.connections(false);
        let voice = Voice::new(self.json, connections.len() > 1);
        let orders = Orders {
            request: &request,
            exclude: &self.exclude,
            live: self.live,
            again: self.again,
            rescan: self.rescan,
            backups: &self.backups,
            ledger: &ledger,
            voice: &voice,
        };
        let watchers: Vec<Watcher<'_>> =
            connections.into_iter().map(|connection| Watcher::new(connection.apart(), &orders)).collect();
        let inboxes = watchers.iter().map(Watcher::inbox).collect();
        stop_on_signal(inboxes).map_err(|error| Failure {
            code: exit::IO_FAILED,
            message: format!("cannot wait for signals: {error}"),
        })?;
        // Each libvirt on its own: none waits for another one.
        let codes = thread::scope(|scope| {
            let each = |mut watcher: Watcher<'_>| if self.once { watcher.once() } else { watcher.watch() };
            let threads: Vec<_> =
                watchers.into_iter().map(|watcher| scope.spawn(move || each(watcher))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(exit::IO_FAILED)).max()
        });
        Ok(codes.unwrap_or(0))
    }
}

/// Has the first signal to end stop all `inboxes`, and the second one end the process at once.
fn stop_on_signal(inboxes: Vec<Arc<Inbox>>) -> io::Result<()> {
    let signals = [SIGINT, SIGTERM, SIGHUP];
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set and ends us.
        flag::register_conditional_shutdown(signal, exit::PENDING.into(), Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new(signals)?;
    thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            inboxes.iter().for_each(|inbox| inbox.stop());
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::{Cli, Command};

    #[test]
    fn the_unit_has_a_command_line_that_is_understood() {
        let unit = include_str!("../../../dist/ivring-vm-config-watch.service");
        let starts: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
        let [start] = starts[..] else { panic!("not one command: {starts:?}") };
        let cli = Cli::try_parse_from(start.split(' ')).unwrap();
        assert!(matches!(cli.command, Command::Watch(options) if !options.once));
        // virsh must not get the first signal.
        assert!(unit.contains("\nKillMode=mixed\n"));
    }

    #[test]
    fn it_is_no_hot_loop() {
        assert!(
            super::rescan("1s").is_ok() && super::rescan("999ms").is_err() && super::rescan("often").is_err()
        );
    }
}
