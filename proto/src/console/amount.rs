//! Numbers as people read them.

use std::time::Duration;

/// A number of bytes with a unit, three digits or so: `1.5 KiB`.
pub fn bytes(count: u64) -> String {
    // Good to three digits, which is all that is shown.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    scaled(count as f64)
}

fn scaled(mut number: f64) -> String {
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    let digits = usize::from(unit != "B" && number < 100.0 && number.fract() != 0.0);
    format!("{number:.digits$} {unit}")
}

/// Bytes in a second, three digits or so: `1.5 KiB/s`.
pub fn rate_of_bytes(rate: f64) -> String {
    scaled(rate) + "/s"
}

/// How often something happens in a second: `0`, `0.3`, `9.5` or `1200`.
pub fn rate(rate: f64) -> String {
    let digits = usize::from(rate < 10.0 && rate.fract() != 0.0);
    format!("{rate:.digits$}")
}

/// A number of things: `1 region`, `2 regions`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A time from nanoseconds to hours, three digits or so.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_nanos() {
        0..1_000 => format!("{} ns", time.as_nanos()),
        1_000..1_000_000 => format!("{:.1} us", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", seconds * 1e3),
        1_000_000_000..120_000_000_000 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_or_so() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (4084 * 1024, "4.0 MiB"),
            (8 << 20, "8 MiB"),
            (300 << 30, "300 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn rates_have_a_digit_behind_the_point_where_it_counts() {
        for (number, text) in [(0.0, "0"), (0.333, "0.3"), (2.0, "2"), (9.5, "9.5"), (1234.4, "1234")] {
            assert_eq!(rate(number), text);
        }
        assert_eq!(rate_of_bytes(0.4), "0 B/s");
        assert_eq!(rate_of_bytes(1536.0), "1.5 KiB/s");
    }

    #[test]
    fn one_thing_is_told_from_many() {
        let told = [0, 1, 2].map(|number| count(number, "region"));
        assert_eq!(told, ["0 regions", "1 region", "2 regions"]);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        for (nanos, text) in [
            (999, "999 ns"),
            (1_840, "1.8 us"),
            (2_500_000, "2.5 ms"),
            (1_300_000_000, "1.3 s"),
            (600_000_000_000, "10 min"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
    }
}
