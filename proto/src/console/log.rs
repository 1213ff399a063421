//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts to log what `library` and this crate say to standard error, coloured on a terminal only.
///
/// `verbose` counts how often more was asked for; each line has its time where `timed`.
///
/// # Panics
/// When the process logs already: a bug of the caller's.
pub fn start_log(library: &str, verbose: u8, timed: bool) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Other crates' chatter is of no use to the reader.
    let ours = Targets::new().with_target(library, level).with_target("ivring_proto", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let lines = if timed { lines.boxed() } else { lines.without_time().boxed() };
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}
