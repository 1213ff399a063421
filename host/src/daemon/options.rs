//! The command line of `ivringd`.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ivring_proto::console::{parse_byte_size, parse_message_size};
use ivring_proto::wait::Profile;

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
    /// A region that holds another number is refused.
    #[arg(long, value_name = "N")]
    pub(super) channels: Option<u64>,

    /// Format the regions anew that are named without a pattern, for another size or number of channels.
    ///
    /// Refused while another process maps one of them: power off its VMs and stop its agents first. Whose channels these
    /// were, and what waits in them, is forgotten. To be given once, so no configuration may hold it.
    #[arg(long)]
    pub(super) reformat: bool,

    /// How to wait for messages: `latency` spins, `balanced` sleeps up to 4 ms, `power` up to 20 ms.
    #[arg(long, value_parser = profile(), default_value = Profile::default().name())]
    pub(super) profile: Profile,

    /// Longest message from or to a guest, at most 64M.
    #[arg(long, value_name = "BYTES", value_parser = parse_message_size, default_value = "64M")]
    pub(super) max_message: usize,

    /// Memory of each region for messages that arrive in pieces, until they are whole; as much again for answers to guests.
    ///
    /// A message for which there is none left is declined, and its sender told. An answer that a guest has not taken, and for
    /// which there is none left, is dropped and counted.
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size, default_value = "256M")]
    pub(super) max_reassembly: u64,

    /// Bytes received from a guest before their space is given back: what a crash at most repeats, marked [default: an
    /// eighth of the ring].
    ///
    /// 0 repeats no more than the message in hand, for one store to shared memory more a message.
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(super) repeat_window: Option<u64>,

    /// Control socket to serve [default: /run/ivringd/control.sock, below $XDG_RUNTIME_DIR if not root].
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// Read options from FILE, in TOML by their long names [default: /etc/ivring/ivringd.toml if there is one].
    ///
    /// An option of the command line replaces what the file says of it.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Log more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// The file read when none is named.
pub(super) const USUAL_CONFIG: &str = "/etc/ivring/ivringd.toml";

const EXAMPLES: &str = "\
Examples:
  ivringd                                       serve /dev/shm/fg_i3 with room for 15 guests
  ivringd --region fg_i3 --region 'fg_i3-*'     and a region of its own for each VM that has one
  ivringd --region busy --size 64M --channels 63
  ivringd --region ./test --socket ./test.sock  without root, beside another ivringd";

const LONG_EXAMPLES: &str = "\
Examples:
  ivringd                                       serve /dev/shm/fg_i3 with room for 15 guests
  ivringd --region fg_i3 --region 'fg_i3-*'     and a region of its own for each VM that has one
  ivringd --region busy --size 64M --channels 63
  ivringd --region ./test --socket ./test.sock  without root, beside another ivringd

Exit codes:
  0  ended by a signal, guests told
  2  the command line is wrong
  3  refused: another ivringd has the region, or its size or channels are others
  4  bad input: no region, a size or a number that cannot be
  5  a file or a permission failed, or a region was taken away
  6  ended by a second signal before all messages were delivered";

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
        assert_they_parse::<Options>(4);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let options = Options::try_parse_from(["ivringd"]).unwrap();
        assert_eq!(options.region, ["fg_i3"]);
        assert_eq!((options.size, options.channels), (None, None));
        assert_eq!(options.profile, Profile::Balanced);
    }

    #[test]
    fn regions_repeat_and_replace_the_default() {
        let options = Options::try_parse_from(["ivringd", "--region", "a", "--region", "b-*"]).unwrap();
        assert_eq!(options.region, ["a", "b-*"]);
    }
}
