//! The command line of `ivringd`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ivring_proto::wait::Profile;

use crate::byte_size::parse_byte_size;
use crate::seconds::parse_seconds;

/// Serves the VMs of this host over shared memory.
///
/// Each --region is a file that the VMs have as an ivshmem device. One that is not there is made; one that is there is
/// taken as it is and never removed or made anew. Guests may come before and after, and stay attached while ivringd
/// restarts. `ivring` and other programs speak with ivringd over its control socket. SIGTERM and Ctrl-C end it: it tells
/// the guests, delivers what has arrived and exits 0.
#[derive(Debug, Parser)]
#[command(name = "ivringd", version, after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub(super) struct Options {
    /// Region to serve: a name in /dev/shm, a path, or a pattern for regions of one VM each; repeats.
    ///
    /// A name with a slash is a path. A pattern such as 'fg_i3-*' takes the files that match now and those that appear
    /// later, if their names end in -UUID. In any region named so only the VM with that UUID may join.
    #[arg(long, value_name = "NAME|PATH|PATTERN", default_value = "fg_i3")]
    pub(super) region: Vec<String>,

    /// Size of the regions, a power of two [default: that of the file, 8M for a new one].
    ///
    /// A region whose file has another size is refused. Files that a pattern found keep the size they have.
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(super) size: Option<u64>,

    /// Guests that one region can hold, 1 to 255 [default: that of the region; for a new one 15, or 1 if named -UUID].
    ///
    /// A region that holds another number is refused; see --reformat.
    #[arg(long, value_name = "N")]
    pub(super) channels: Option<u64>,

    /// Bytes of each ring from a guest to the host, a multiple of 4K [default: equal parts of the region].
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size, requires = "to_guest")]
    pub(super) to_host: Option<u64>,

    /// Bytes of each ring from the host to a guest, a multiple of 4K [default: equal parts of the region].
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size, requires = "to_host")]
    pub(super) to_guest: Option<u64>,

    /// Format the regions anew, with other --channels, --to-host or --to-guest.
    ///
    /// Asks the guests to leave and waits for them; refused while a VM still has the region mapped. All messages on
    /// their way are lost.
    #[arg(long)]
    pub(super) reformat: bool,

    /// Take a channel from a guest that has been silent for so long [default: never].
    ///
    /// A paused VM is silent, too. If it goes on after its channel was given to another, it writes into that one's
    /// messages. Without this option a channel is freed by the guest's good-bye, when its VM has ended, or by
    /// `ivring evict`.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(super) reclaim_after: Option<Duration>,

    /// Longest message to send or to take from a guest.
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size, default_value = "64M")]
    pub(super) max_message: u64,

    /// How to wait for messages: `latency` spins, `balanced` sleeps up to 1 ms, `power` up to 20 ms.
    #[arg(long, value_parser = profile(), default_value = Profile::default().name())]
    pub(super) profile: Profile,

    /// Control socket to serve [default: /run/ivringd/control.sock, below $XDG_RUNTIME_DIR if not root].
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// Directory for what ivringd must know after a restart [default: the socket's].
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,

    /// Log more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  ivringd                                       serve /dev/shm/fg_i3 with room for 15 guests
  ivringd --region fg_i3 --region 'fg_i3-*'     and a region of its own for each VM that has one
  ivringd --region busy --size 64M --channels 63
  ivringd --region logs --to-host 512K --to-guest 32K
  ivringd --region ./test --socket ./test.sock  without root, beside another ivringd";

const LONG_EXAMPLES: &str = "\
Examples:
  ivringd                                       serve /dev/shm/fg_i3 with room for 15 guests
  ivringd --region fg_i3 --region 'fg_i3-*'     and a region of its own for each VM that has one
  ivringd --region busy --size 64M --channels 63
  ivringd --region logs --to-host 512K --to-guest 32K
  ivringd --region ./test --socket ./test.sock  without root, beside another ivringd

Exit codes:
  0  ended by a signal, guests told
  2  the command line is wrong
  3  refused: another ivringd has the region, or its size or channels are others
  4  bad input: no region, a size or a number that cannot be
  5  a file or a permission failed, or a region was taken away";

/// Takes the profiles by name and lists them in the help.
fn profile() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::name)).try_map(|name| name.parse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help_examples::assert_they_parse;

    #[test]
    fn the_examples_in_the_help_parse() {
        assert_they_parse::<Options>(5);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let options = Options::try_parse_from(["ivringd"]).unwrap();
        assert_eq!(options.region, ["fg_i3"]);
        assert_eq!((options.size, options.channels, options.reclaim_after), (None, None, None));
        assert_eq!((options.max_message, options.profile), (64 << 20, Profile::Balanced));
    }

    #[test]
    fn regions_repeat_and_replace_the_default() {
        let options = Options::try_parse_from(["ivringd", "--region", "a", "--region", "b-*"]).unwrap();
        assert_eq!(options.region, ["a", "b-*"]);
    }

    #[test]
    fn one_capacity_without_the_other_is_a_usage_error() {
        let error = Options::try_parse_from(["ivringd", "--to-host", "64K"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--to-guest"), "{error}");
    }
}
