//! A terminal that is drawn anew over and over.

use ivring_proto::console::{Failure, Output};
use rustix::termios::tcgetwinsize;

/// The other screen, which most terminals have, without wrapping of long lines (xterm: DECSET 1049, DECRST 7).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?1049l";

/// A terminal's screen, as it was before when this is dropped.
#[derive(Debug)]
pub(super) struct Screen<'a> {
    out: &'a mut Output,
}

impl<'a> Screen<'a> {
    pub(super) fn enter(out: &'a mut Output) -> Result<Self, Failure> {
        out.bytes(ENTER)?;
        Ok(Screen { out })
    }

    /// Columns and rows that there are now.
    pub(super) fn size() -> (usize, usize) {
        match tcgetwinsize(std::io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            // A serial line does not say.
            _ => (80, 24),
        }
    }

    /// Shows these lines and nothing else, as many as fit.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Failure> {
        let (columns, rows) = Screen::size();
        self.out.bytes(frame(lines, columns, rows).as_bytes())
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Who has closed the terminal does not miss it.
        let _ = self.out.bytes(LEAVE);
    }
}

/// What draws the lines over those that are there, in one go so that nothing flickers.
fn frame(lines: &[String], columns: usize, rows: usize) -> String {
    let fits = if lines.len() > rows { rows.saturating_sub(1) } else { lines.len() };
    let more = (fits < lines.len()).then(|| format!("... and {} more", lines.len() - fits));
    let shown: Vec<_> = lines[..fits].iter().chain(&more).map(|line| cut(line, columns)).collect();
    // From the top; each line's rest is cleared, then what is below.
    format!("\x1b[H{}\x1b[K\x1b[J", shown.join("\x1b[K\r\n"))
}

/// At most so many characters, the last one a sign that there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_screen() {
        let lines = ["one", "two and more", "three"].map(String::from);
        assert_eq!(frame(&lines, 5, 3), "\x1b[Hone\x1b[K\r\ntwo …\x1b[K\r\nthree\x1b[K\x1b[J");
        assert_eq!(frame(&lines, 80, 2), "\x1b[Hone\x1b[K\r\n... and 2 more\x1b[K\x1b[J");
        assert_eq!(frame(&lines, 80, 1), "\x1b[H... and 3 more\x1b[K\x1b[J");
        assert_eq!(frame(&[], 80, 24), "\x1b[H\x1b[K\x1b[J");
    }

    #[test]
    fn text_is_cut_by_characters() {
        assert_eq!(
            (&cut("grüße", 5)[..], &cut("grüße", 4)[..], &cut("grüße", 1)[..]),
            ("grüße", "grü…", "…")
        );
    }
}
