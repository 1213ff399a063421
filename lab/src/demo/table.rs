//! What the demo came to, as a table.

use std::fmt;

use super::pings::RoundTrips;
use crate::Flood;

/// What was seen of one guest.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) channel: u64,
    pub(super) round_trips: RoundTrips,
    /// Messages sent, and found right at the other end, each way.
    pub(super) checked: usize,
    pub(super) to_guest: Flood,
    pub(super) from_guest: Flood,
}

impl Row {
    const HEADER: [&'static str; 7] =
        ["guest", "channel", "ping p50", "ping p99", "checked each way", "to the guest", "from the guest"];

    fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.channel.to_string(),
            microseconds(self.round_trips.p50_ns),
            microseconds(self.round_trips.p99_ns),
            self.checked.to_string(),
            throughput(&self.to_guest),
            throughput(&self.from_guest),
        ]
    }
}

fn microseconds(nanoseconds: u64) -> String {
    format!("{}.{} us", nanoseconds / 1000, nanoseconds % 1000 / 100)
}

fn throughput(flood: &Flood) -> String {
    let rate = flood.rate();
    format!("{rate:.0}/s, {:.1} MB/s", rate * f64::from(flood.bytes) / 1e6)
}

/// The rows below a header, the columns as wide as they need: names to the left, figures to the right.
#[derive(Debug)]
pub(super) struct Table<'a>(pub(super) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> =
            std::iter::once(Row::HEADER.map(str::to_owned)).chain(self.0.iter().map(Row::cells)).collect();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
                match column {
                    0 => write!(f, "{cell:width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let flood = |messages| Flood { messages, bytes: 1000, nanoseconds: 500_000_000 };
        let row = |name: &str, p99_ns| Row {
            name: name.to_owned(),
            channel: 1,
            round_trips: RoundTrips { p50_ns: 1_950, p99_ns },
            checked: 20,
            to_guest: flood(12_345),
            from_guest: flood(5),
        };
        let rows = [row("web1", 12_000), row("longer-name", 1_234_567)];
        let lines: Vec<_> = Table(&rows).to_string().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "guest        channel  ping p50   ping p99  checked each way        to the guest  from the guest",
                "web1               1    1.9 us    12.0 us                20  24690/s, 24.7 MB/s  10/s, 0.0 MB/s",
                "longer-name        1    1.9 us  1234.5 us                20  24690/s, 24.7 MB/s  10/s, 0.0 MB/s",
            ]
        );
    }
}
