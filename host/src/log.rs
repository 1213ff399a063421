//! The log of both programs.

/// Starts to log to standard error, each line with its time where `timed`.
pub(crate) fn start(verbose: u8, timed: bool) {
    ivring_proto::console::start_log("ivring_host", verbose, timed);
}
