//! Text that a peer chose, made fit for a terminal or a log.

use core::fmt;

/// Most characters of the text that are shown; what follows is cut and marked with an ellipsis.
const SHOWN: usize = 256;

/// Shows text from an untrusted source so that it can't act on the terminal it is printed to.
///
/// Control characters, overrides of the writing direction, invisible and unassigned characters come out as
/// `\u{1b}`, and so does a backslash as `\\`, so that no text can imitate an escape. After 256 characters the text ends
/// with an ellipsis. Doesn't allocate.
///
/// ```
/// # use ivring_proto::session::printable;
/// assert_eq!(printable("web1\x1b[2J").to_string(), "web1\\u{1b}[2J");
/// ```
pub fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

/// Text as [`printable`] shows it.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (shown, c) in self.0.chars().enumerate() {
            if shown == SHOWN {
                return f.write_char('…');
            }
            match c {
                '\'' | '"' => f.write_char(c)?,
                // The standard library escapes every character of the Unicode classes that have no shape of their
                // own (Cc, Cf with the bidirectional overrides, Cn, Co, Zl, Zp, odd spaces) and combining marks.
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::{SHOWN, printable};
    use std::string::{String, ToString};

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "web1", "it's \"quoted\"", "grüße 世界 ж", "a b"] {
            assert_eq!(printable(text).to_string(), text);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        for (text, shown) in [
            ("\x1b[31m", "\\u{1b}[31m"),
            ("a\r\nb\0", "a\\r\\nb\\0"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{202e}txt", "\\u{202e}txt"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{2028}", "\\u{2028}"),
            ("\u{e000}", "\\u{e000}"),
            ("e\u{301}", "e\\u{301}"),
            ("\\u{1b}", "\\\\u{1b}"),
        ] {
            assert_eq!(printable(text).to_string(), shown);
        }
    }

    #[test]
    fn no_character_gets_through_as_a_control() {
        for c in char::MIN..=char::MAX {
            let shown = printable(c.encode_utf8(&mut [0; 4])).to_string();
            assert!(!shown.chars().any(char::is_control), "{c:?}");
        }
    }

    #[test]
    fn long_text_is_cut() {
        let text: String = "é".repeat(SHOWN);
        assert_eq!(printable(&text).to_string(), text);
        let shown = printable(&(text.clone() + "x")).to_string();
        assert_eq!(shown, text + "…");
    }
}
