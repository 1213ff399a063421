//! Numbers of bytes as people write them: `8M`.

use crate::control::MAX_BODY;

/// Reads a number of bytes, or one with the unit `K`, `M` or `G` (also `KiB`, `MiB`, `GiB`; powers of 1024).
///
/// # Errors
///
/// When the text is nothing of that, or the number does not fit into 64 bits: what to write instead.
pub fn parse_byte_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => Some(1),
        "K" | "k" | "KiB" => Some(1 << 10),
        "M" | "m" | "MiB" => Some(1 << 20),
        "G" | "g" | "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes =
        factor.zip(number.parse::<u64>().ok()).and_then(|(factor, number)| number.checked_mul(factor));
    bytes.ok_or_else(|| "write a number of bytes, with K, M or G where it is large, such as 8M".to_owned())
}

/// Reads the length of the longest message that a program passes on: a [number of bytes](parse_byte_size), at most what
/// the control socket carries.
///
/// # Errors
///
/// As [`parse_byte_size`], and when it is more.
pub fn parse_message_size(text: &str) -> Result<usize, String> {
    let bytes = parse_byte_size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= MAX_BODY);
    fits.ok_or_else(|| format!("the control socket carries {MAX_BODY} bytes: choose no more than that"))
}

#[cfg(test)]
mod tests {
    use super::{MAX_BODY, parse_byte_size, parse_message_size};

    #[test]
    fn no_message_is_longer_than_the_control_socket_carries() {
        assert_eq!(parse_message_size("1M"), Ok(1 << 20));
        assert_eq!(parse_message_size(&MAX_BODY.to_string()), Ok(MAX_BODY));
        assert!(parse_message_size(&(MAX_BODY + 1).to_string()).is_err());
        assert!(parse_message_size("much").is_err());
    }

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in
            [("0", 0), ("56", 56), ("64K", 65_536), ("8m", 8 << 20), ("8MiB", 8 << 20), ("1G", 1 << 30)]
        {
            assert_eq!(parse_byte_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "M", "8MB", "-8M", "8 M", "8.0M", "99999999999999999999", "17179869184G"] {
            assert!(parse_byte_size(text).is_err(), "{text}");
        }
    }
}
