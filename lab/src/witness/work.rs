//! What a witness is to do with each of its peers.

use std::time::Duration;

use clap::Args;

/// What a witness is to do with each of its peers.
#[derive(Debug, Clone, Copy, Args)]
pub struct Work {
    /// Send N messages, each in one record
    #[arg(long, value_name = "N", default_value = "0")]
    pub send: u64,
    /// Send none of these longer than BYTES [default: as long as a record]
    #[arg(long, value_name = "BYTES", default_value_t = usize::MAX, hide_default_value = true)]
    pub longest: usize,
    /// Send no more than one of these in so many microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value = "0")]
    pub pace: u64,
    /// Send N messages in fragments, two of them at once
    #[arg(long, value_name = "N", default_value = "0")]
    pub large: u64,
    /// Send these as long as BYTES
    #[arg(long, value_name = "BYTES", default_value = "67108864")]
    pub length: usize,
    /// Send the peer's large messages back
    #[arg(long)]
    pub echo: bool,
    /// Ping the peer once a millisecond, and note how that went at the end of each large message
    #[arg(long)]
    pub ping: bool,
    /// Send N requests before any answer is needed
    #[arg(long, value_name = "N", default_value = "0")]
    pub request: u64,
    /// Wait so long for the answer to each
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// Answer once there are N requests, out of order: some late, some never
    #[arg(long, value_name = "N", default_value = "0")]
    pub answer: usize,
    /// Receive in batches of N messages, and be done with each batch at once
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Give space back after BYTES that are done with [default: an eighth of the ring]
    #[arg(long, value_name = "BYTES")]
    pub window: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
