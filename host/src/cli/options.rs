//! The command line of `ivring`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ivring_proto::console::{EXIT_CODES, parse_byte_size, parse_seconds};

/// Speaks with the VMs of this host through ivringd.
///
/// GUEST is a VM's UUID, a unique beginning of it, or the name that the guest gave itself; GUEST:PORT is a program in it
/// other than the agent.
#[derive(Debug, Parser)]
#[command(name = "ivring", version)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct Options {
    /// Control socket of ivringd [default: /run/ivringd/control.sock, one's own below $XDG_RUNTIME_DIR first].
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Log more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,

    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ivring ls                              who is there
  ivring ping web1                       how long is a round trip
  ivring send web1 greeting 'hello'      a message to the agent in web1
  ivring request web1 ivring.info        a question to it, and its answer
  ivring listen                          what the guests send
  ivring doctor web1                     why nothing arrives";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Ls(Ls),
    Ping(Ping),
    Send(Send),
    Request(Request),
    Listen(Listen),
    Doctor(Doctor),
    Inspect(Inspect),
    Evict(Evict),
}

/// List the guests of every region, with their state and counters.
///
/// Columns that would be empty are left out: FAULTS counts how often the guest wrote what cannot be right and lost its session
/// (below the table stands the last time, with field and value), FULL tries to send that found the guest's ring full, DROPPED what came
/// from the guest and was left out, FAILED what it did not take or answer, AGAIN what a restarted daemon received once more,
/// HELD is memory of the daemon for messages that have not come whole and answers that the guest has not taken.
///
/// A line follows for each region that should be served and is not, with the reason. Exits 1 when the one named with --region
/// is among them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring ls
  ivring ls --region fg_i3
  ivring ls --watch                                  rates and round trips, drawn anew every second
  ivring ls --watch 10 --json | tee -a load.jsonl    one object each ten seconds
  ivring ls --json | jq -r '.guests[] | select(.state == \"attached\") | .name'")]
pub(super) struct Ls {
    /// Go on, every SECONDS, with rates and round trips, until Ctrl-C [default: 1].
    ///
    /// A terminal is drawn anew each time. Elsewhere each round is a table of its own, with --json an object a line. A
    /// daemon that ends is waited for. `-` stands where nothing is known: for rates in the first round, for a round trip
    /// when the guest did not answer within half the time, at most half a second.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = parse_interval)]
    pub(super) watch: Option<Duration>,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Measure round trips to a guest.
///
/// Exits 1 when the guest is not attached or does not answer in time.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring ping web1
  ivring ping web1 --count 1000 --interval 0 --bytes 1K
  ivring ping 6b7c1f2e:metrics --timeout 0.5")]
pub(super) struct Ping {
    /// The guest.
    #[arg(value_name = "GUEST[:PORT]")]
    pub(super) guest: String,

    /// Number of round trips.
    #[arg(short = 'n', long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) count: u32,

    /// Time between two of them.
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = parse_seconds)]
    pub(super) interval: Duration,

    /// Length of the payload that travels both ways.
    #[arg(long, value_name = "BYTES", default_value = "56", value_parser = parse_byte_size)]
    pub(super) bytes: u64,

    /// How long to wait for each answer.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub(super) timeout: Duration,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Send one message to a guest.
///
/// Returns when the message is in the guest's ring. Exits 1 when the guest is not attached and 3 when its ring is full.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring send web1 greeting 'hello'
  ivring send web1 config --file web1.toml
  tar c site | ivring send web1 upload - --wait 10
  ivring send web1:metrics flush")]
pub(super) struct Send {
    /// The guest.
    #[arg(value_name = "GUEST[:PORT]")]
    pub(super) guest: String,

    /// Topic of the message, 1 to 255 bytes.
    pub(super) topic: String,

    /// The message; `-` reads it from standard input [default: an empty message].
    #[arg(conflicts_with = "file")]
    pub(super) text: Option<String>,

    /// Send the contents of FILE.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// How long to wait for room when the guest's ring is full.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    pub(super) wait: Duration,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Ask a guest something and print its answer, as it is.
///
/// Exits 1 when the guest is not attached or does not answer in time, 3 when nobody in it serves the topic, and 5 when
/// the answer is that it failed. Every agent serves ivring.info and ivring.echo. With --json the answer is in `text` when it
/// is UTF-8, in `hex` when it is not, and with --out its path is in `file`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring request web1 ivring.info
  ivring request web1:metrics load --timeout 0.5 --json
  ivring request web1 backup --file request.json --out backup.tar --timeout 60
  date | ivring request web1 ivring.echo -")]
pub(super) struct Request {
    /// The guest.
    #[arg(value_name = "GUEST[:PORT]")]
    pub(super) guest: String,

    /// Topic of the request, 1 to 255 bytes.
    pub(super) topic: String,

    /// What is asked; `-` reads it from standard input [default: nothing].
    #[arg(conflicts_with = "file")]
    pub(super) text: Option<String>,

    /// Send the contents of FILE.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// How long to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub(super) timeout: Duration,

    /// Write the answer to FILE; without an answer it stays as it was.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Print messages from guests as they come, until stopped.
///
/// Without --topic it also tells who attaches and detaches. With --json a payload is in `text` when it is UTF-8, in `hex` when
/// it is not, and with --out its path is in `file`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring listen
  ivring listen --topic upload --out uploads --json
  ivring listen --guest web1 --topic log.kernel
  ivring listen --topic alarm --count 1 --json")]
pub(super) struct Listen {
    /// Only from this guest [default: all].
    #[arg(long, value_name = "GUEST[:PORT]")]
    pub(super) guest: Option<String>,

    /// Only messages on this topic [default: all].
    #[arg(long)]
    pub(super) topic: Option<String>,

    /// End after N messages [default: never].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,

    /// Write each payload to a file of its own in DIR, named by a number and its topic; none is written over.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Say why nothing arrives: from libvirt's domain to the guest's answer, a line a check.
///
/// Each line is OK, FAILED, PENDING or UNKNOWN, and says what to do. What cannot be looked at since a check before it failed
/// says so. Without GUEST it looks at the host, with a line for each guest and domain; with GUEST, which may also be a domain
/// of libvirt, at all that this one needs. Nothing is changed, and it takes some seconds. What concerns libvirt and the file
/// is asked of ivring-vm-config. Root sees all; others are told what they cannot see. Exits 1 when a check failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring doctor
  ivring doctor web1
  ivring doctor --json | jq -r '.[] | select(.verdict == \"failed\") | .next'")]
pub(super) struct Doctor {
    /// The guest, or a domain of libvirt [default: the host, and a line for each].
    #[arg(value_name = "GUEST[:PORT]")]
    pub(super) guest: Option<String>,

    /// Look at this region [default: those that ivringd serves, else fg_i3].
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) region: Option<String>,
}

/// Show what a region's file holds: geometry, host, channels, rings.
///
/// Reads only, and works with and without ivringd. What is shown may change while it is read. Exits 1 when something in it
/// is wrong, or when it is not formatted yet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring inspect fg_i3
  ivring inspect /mnt/hugepages/fg_i3 --json")]
pub(super) struct Inspect {
    /// The region: a name in /dev/shm, or a path.
    #[arg(value_name = "NAME|PATH")]
    pub(super) region: String,
}

/// Take the channel away from a guest and free it for another.
///
/// What the guest had sent is delivered, what it had not received yet is lost. Make sure that the VM has ended or knows: one that is only paused goes on to write
/// into the channel of whoever gets it next.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ivring evict web1
  ivring evict 6b7c1f2e-0000-4000-8000-000000000001:metrics")]
pub(super) struct Evict {
    /// The guest.
    #[arg(value_name = "GUEST[:PORT]")]
    pub(super) guest: String,

    #[command(flatten)]
    pub(super) region: Region,
}

/// Which of the daemon's regions is meant.
#[derive(Debug, Args)]
pub(super) struct Region {
    /// Only guests in the region of this name [default: all].
    #[arg(id = "in_region", long = "region", value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Time between two rounds.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_seconds(text)?;
    // Faster than that nobody reads, and the daemon has better things to do.
    if interval < Duration::from_millis(100) {
        Err("write 0.1 seconds or more".to_owned())
    } else {
        Ok(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help_examples::assert_they_parse;

    #[test]
    fn the_examples_in_the_help_parse() {
        assert_they_parse::<Options>(33);
    }

    #[test]
    fn text_and_file_exclude_each_other() {
        let error =
            Options::try_parse_from(["ivring", "send", "web1", "t", "text", "--file", "f"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn global_options_stand_anywhere() {
        let options = Options::try_parse_from(["ivring", "ls", "--json", "--socket", "s"]).unwrap();
        assert!(options.json && options.socket.is_some());
        let options = Options::try_parse_from(["ivring", "--json", "send", "web1", "t", "-"]).unwrap();
        let Command::Send(send) = options.command else { panic!("{options:?}") };
        assert_eq!((send.text.as_deref(), options.json), (Some("-"), true));
    }

    #[test]
    fn watching_has_an_interval() {
        let watch =
            |arguments: &[&str]| match Options::try_parse_from([&["ivring", "ls"], arguments].concat()) {
                Ok(Options { command: Command::Ls(ls), .. }) => Ok(ls.watch),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.exit_code()),
            };
        assert_eq!(watch(&[]), Ok(None));
        assert_eq!(watch(&["--watch"]), Ok(Some(Duration::from_secs(1))));
        assert_eq!(watch(&["--watch", "--region", "r"]), Ok(Some(Duration::from_secs(1))));
        assert_eq!(watch(&["--watch", "0.1"]), Ok(Some(Duration::from_millis(100))));
        assert_eq!((watch(&["--watch", "0"]), watch(&["--watch", "soon"])), (Err(2), Err(2)));
    }
}
