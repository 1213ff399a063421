//! The program `ivring-agent`: its command line, and one module a command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use ivring_proto::console::{
    EXIT_CODES, Endpoint, parse_byte_size, parse_message_size, parse_seconds, parse_with_config, report,
    start_log,
};
use ivring_proto::control::Service;
use ivring_proto::wait::Profile;
use uuid::Uuid;

mod doctor;
mod install;
mod listen;
mod pci;
mod request;
mod run;
mod send;
mod status;

use crate::memory_type::MemoryChoice;
use crate::pci::Address;

/// Speaks with the KVM host over shared memory.
///
/// The host shows its region to this guest as an ivshmem PCI device. `run` joins it and stays; the other commands
/// speak with a running agent over its control socket, or look at the machine.
#[derive(Debug, Parser)]
#[command(name = "ivring-agent", version)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    /// Log more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ivring-agent run                           join the host and answer it until stopped
  ivring-agent doctor                        why nothing arrives
  ivring-agent pci                           is there an ivshmem device?
  ivring-agent send greeting 'hello host'    by way of the running agent";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Run),
    Status(Status),
    Doctor(Doctor),
    Send(Send),
    Request(Request),
    Listen(Listen),
    Pci(Pci),
    Install(Install),
    Uninstall(Uninstall),
}

/// Join the host and stay: answer its pings, echoes and questions, pass messages on.
///
/// Waits for the device, the region and the host, and says in the log what it waits for. Joins again by itself after
/// a restart of the host. Ends with a good-bye on SIGTERM and Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent run
  ivring-agent run --once                       for a boot script: exits 3 when there is no host to join
  ivring-agent run --pci 00:1f.0 --name web1
  ivring-agent run --region /dev/shm/fg_i3 --id \"$(uuidgen)\" --socket ./agent.sock    on the host, with no VM")]
struct Run {
    /// Exit 3 instead of waiting for the device, the region or the host at the start.
    #[arg(long)]
    once: bool,

    /// Join the region in FILE instead of a PCI device: a host process in the place of a VM.
    #[arg(long, value_name = "FILE", conflicts_with = "pci")]
    region: Option<PathBuf>,

    /// Use the device at ADDRESS [default: the ivshmem device that holds a region].
    #[arg(long, value_name = "ADDRESS")]
    pci: Option<Address>,

    /// Memory type to map the device with: `auto` measures, and takes what is fastest there [possible: auto, write-back,
    /// uncached, write-combining].
    ///
    /// Of a file it is what the memory is taken for, for trials.
    #[arg(long, value_name = "TYPE", value_parser = memory_type(), default_value = "auto", hide_possible_values = true)]
    memory_type: MemoryChoice,

    /// Join as the VM with this UUID [default: the one in SMBIOS, else /etc/machine-id].
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,

    /// Name for the host's lists, up to 64 bytes [default: the host name].
    #[arg(long)]
    name: Option<String>,

    /// How to wait for messages: `latency` spins, `balanced` sleeps up to 4 ms, `power` up to 20 ms.
    #[arg(long, value_parser = profile(), default_value = Profile::default().name())]
    profile: Profile,

    /// Longest message from or to the host, at most 64M.
    #[arg(long, value_name = "BYTES", value_parser = parse_message_size, default_value = "64M")]
    max_message: usize,

    /// Bytes received before their space is given back: what a crash at most repeats, marked [default: an eighth of the
    /// ring].
    ///
    /// 0 repeats no more than the message in hand, for one store to shared memory more a message.
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    repeat_window: Option<u64>,

    /// Read options from FILE, in TOML by their long names [default: /etc/ivring/agent.toml if there is one].
    ///
    /// An option of the command line replaces what the file says of it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    socket: Socket,

    #[command(flatten)]
    machine: Machine,
}

/// Show whether the running agent is connected, and what it has counted.
///
/// Exits 1 when it isn't connected or none runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent status
  ivring-agent status --json | jq .state")]
struct Status {
    /// Print a JSON object.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    socket: Socket,
}

/// Say why nothing arrives: from the device to the rings, a line a check.
///
/// Each line is OK, FAILED, PENDING or UNKNOWN, and says what to do. What can't be looked at since a check before it failed
/// says so. Nothing is changed, and it takes some seconds at most. Root sees all; others are told what they can't see. Exits
/// 1 when a check failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent doctor
  ivring-agent doctor --json | jq '.[] | select(.verdict == \"failed\")'
  ivring-agent doctor --pci 00:1f.0                  of several devices, this one")]
struct Doctor {
    /// Print a JSON array.
    #[arg(long)]
    json: bool,

    /// Look at the region in FILE instead of a PCI device [default: what the running agent has].
    #[arg(long, value_name = "FILE", conflicts_with = "pci")]
    region: Option<PathBuf>,

    /// Look at the device at ADDRESS [default: the running agent's, else the one that holds a region].
    #[arg(long, value_name = "ADDRESS")]
    pci: Option<Address>,

    /// The VM's UUID [default: the running agent's, else the one in SMBIOS, else /etc/machine-id].
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,

    #[command(flatten)]
    socket: Socket,

    #[command(flatten)]
    machine: Machine,
}

/// Send one message to the host, through the running agent.
///
/// Returns when the message is in the ring. Exits 1 when the agent isn't connected and 3 when the ring is full.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent send greeting 'hello host'
  dmesg | ivring-agent send log.kernel - --wait 5
  ivring-agent send upload --file report.pdf")]
struct Send {
    /// Topic of the message.
    topic: String,

    /// The message; `-` reads it from standard input [default: an empty message].
    #[arg(conflicts_with = "file")]
    text: Option<String>,

    /// Send the contents of FILE.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How long to wait for room when the ring is full.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    wait: Duration,

    /// Print a JSON object with the number of the message.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    socket: Socket,
}

/// Ask the host something through the running agent, and print its answer, as it is.
///
/// Exits 1 when the agent isn't connected or the host doesn't answer in time, 3 when nobody there serves the topic, and 5
/// when the answer is that it failed. Every host serves ivring.info and ivring.echo. With --json the answer is in `text`
/// when it is UTF-8, in `hex` when it is not, and with --out its path is in `file`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent request ivring.info
  ivring-agent request licence 'web1' --timeout 0.5 --json
  ivring-agent request image --file wanted.json --out image.raw --timeout 60")]
struct Request {
    /// Topic of the request.
    topic: String,

    /// What is asked; `-` reads it from standard input [default: nothing].
    #[arg(conflicts_with = "file")]
    text: Option<String>,

    /// Send the contents of FILE.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How long to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    timeout: Duration,

    /// Write the answer to FILE; without an answer it stays as it was.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print a JSON object that holds the answer.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    socket: Socket,
}

/// Print messages from the host as they come, until stopped.
///
/// Without --topic it also tells when the agent attaches and detaches. With --json a payload is in `text` when it is UTF-8,
/// in `hex` when it is not, and with --out its path is in `file`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent listen
  ivring-agent listen --topic upload --out uploads
  ivring-agent listen --topic config --json")]
struct Listen {
    /// Print a JSON object for each message, one a line.
    #[arg(long)]
    json: bool,

    /// Only messages on this topic [default: all].
    #[arg(long)]
    topic: Option<String>,

    /// End after N messages [default: never].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Write each payload to a file of its own in DIR, named by a number and its topic; none is written over.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    socket: Socket,
}

/// List the PCI devices of this machine; ivshmem devices are marked.
///
/// Exits 1 when none of them is an ivshmem device.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent pci
  ivring-agent pci --json | jq '.[] | select(.ivshmem)'")]
struct Pci {
    /// Print a JSON array.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    machine: Machine,
}

/// Make this program a service that starts at boot, and start it.
///
/// Copies the program to PREFIX/bin and writes a unit for systemd, or a line of /etc/inittab for the init of sysvinit or
/// busybox. What is so already stays; a newer program takes the place of an older one. With --root it changes the files
/// of a mounted system, and runs nothing. Exits 3 when it knows no init system here, and 6 when no agent answers yet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent install
  ivring-agent install --dry-run
  ivring-agent install --root /mnt                  into an image mounted there
  ivring-agent install --root / --prefix /usr       from within a chroot or a container build")]
struct Install {
    /// Copy the program to DIR/bin.
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    prefix: PathBuf,

    /// Don't start it now, only at the next boot.
    #[arg(long)]
    no_start: bool,

    #[command(flatten)]
    place: Place,
}

/// Stop the service and remove what `install` has made.
///
/// Files of the same names that `install` did not make are left, and named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring-agent uninstall
  ivring-agent uninstall --root /mnt --dry-run")]
struct Uninstall {
    #[command(flatten)]
    place: Place,
}

/// Where to install, and what to tell about it.
#[derive(Debug, Args)]
struct Place {
    /// Change the system whose files are below DIR, and run nothing [default: this system, running].
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Only tell what would be changed.
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Socket {
    /// Control socket of the agent [default: /run/ivring-agent/control.sock, below $XDG_RUNTIME_DIR if not root].
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Socket {
    /// The agent that serves it.
    fn agent(self) -> Endpoint {
        Endpoint { service: Service::Agent, socket: self.socket }
    }
}

#[derive(Debug, Args)]
struct Machine {
    /// Look for sys/, proc/ and etc/ below DIR.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Takes the profiles by name and lists them in the help.
fn profile() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::name)).try_map(|name| name.parse())
}

/// Takes the memory types by name and lists them in the help.
fn memory_type() -> impl TypedValueParser<Value = MemoryChoice> {
    PossibleValuesParser::new(MemoryChoice::ALL.map(MemoryChoice::name)).try_map(|name| name.parse())
}

/// Runs `ivring-agent` with the arguments of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = parse_with_config(Path::new(run::USUAL_CONFIG));
    start_log("ivring_guest", cli.verbose, matches!(cli.command, Command::Run(_)));
    report(match cli.command {
        Command::Run(options) => run::run(options),
        Command::Status(options) => status::show(options),
        Command::Doctor(options) => doctor::doctor(options),
        Command::Send(options) => send::send(options),
        Command::Request(options) => request::request(options),
        Command::Listen(options) => listen::listen(options),
        Command::Pci(options) => pci::list(&options.machine.root, options.json),
        Command::Install(options) => install::install(options),
        Command::Uninstall(options) => install::uninstall(options),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_command_in_the_unit_parses() {
        let unit = include_str!("../dist/ivring-agent.service");
        let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let cli = Cli::try_parse_from(command.split(' ')).unwrap();
        assert!(matches!(cli.command, Command::Run(_)), "{command}");
    }

    #[test]
    fn every_example_in_the_help_parses() {
        let mut command = <Cli as clap::CommandFactory>::command();
        let mut helps = vec![command.render_long_help().to_string()];
        for sub in command.get_subcommands_mut() {
            helps.push(sub.render_long_help().to_string());
        }
        let mut parsed = 0;
        for line in helps.iter().flat_map(|help| help.lines()) {
            let Some(example) =
                line.trim().strip_prefix("dmesg | ").unwrap_or(line.trim()).strip_prefix("ivring-agent ")
            else {
                continue;
            };
            let example = example.split(" | ").next().unwrap_or_default();
            let example = example.split("    ").next().unwrap_or_default();
            let example =
                example.replace("$(uuidgen)", "6f1c3b0a-91d2-4e57-8a5e-0c2d4b6f8e10").replace('"', "");
            let quoted = example.replace("'hello host'", "hello");
            let words = std::iter::once("ivring-agent").chain(quoted.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
            parsed += 1;
        }
        assert!(parsed >= 24, "only {parsed} examples were found");
    }
}
