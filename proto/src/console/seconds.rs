//! Times as people write them on a command line: seconds.

use std::time::Duration;

/// Longest time taken, a day: what the control socket carries in 32 bits of milliseconds is longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a number of seconds such as `5` or `0.25`.
///
/// # Errors
/// When the text is no such number, or the time is negative or longer than a day: what to write instead.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| *time <= LONGEST)
        .ok_or_else(|| "write seconds from 0 to 86400, such as 5 or 0.25".to_owned())
}

/// A time as the control socket carries it. One that [`parse_seconds`] took is carried whole, a longer one is cut.
pub fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_fractions_are_taken() {
        assert_eq!(parse_seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for text in ["", "5s", "-1", "nan", "inf", "86401", "1e30"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_time_that_is_taken_is_carried_whole() {
        assert_eq!(milliseconds(LONGEST), 86_400_000);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }
}
