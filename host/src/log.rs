//! The log on standard error, of both programs.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts to log to standard error, coloured on a terminal only; each line with its time where `timed`.
pub(crate) fn start(verbose: u8, timed: bool) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Other crates' chatter is of no use to the reader.
    let ours = Targets::new().with_target("ivring_host", level).with_target("ivring_proto", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let lines = if timed { lines.boxed() } else { lines.without_time().boxed() };
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}
