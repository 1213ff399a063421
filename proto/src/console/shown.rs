//! Text that a peer may have chosen, on its way to a terminal.

use crate::session::printable;

/// The whole text with everything escaped that acts on a terminal; [`printable`] alone cuts it.
pub fn shown(text: &str) -> String {
    text.chars().map(|c| printable(c.encode_utf8(&mut [0; 4])).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn long_text_is_shown_whole_and_escaped() {
        let text = "é".repeat(1000);
        assert_eq!(shown(&text), text);
        assert_eq!(shown("a\x1b[2J\u{202e}"), "a\\u{1b}[2J\\u{202e}");
    }
}
