//! Tables for people: a header, columns aligned, two spaces between them.

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The lines of a table; no line ends in spaces.
///
/// # Panics
///
/// When a row has more cells than there are columns: a bug of the caller's.
pub(super) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> Vec<String> {
    let width = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([columns[index].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (index, cell) in cells.enumerate() {
            let gap = if index == 0 { "" } else { "  " };
            let width = widths[index];
            text += &match columns[index].1 {
                Align::Left => format!("{gap}{cell:<width$}"),
                Align::Right => format!("{gap}{cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text
    };
    let header = line(&mut columns.iter().map(|column| column.0));
    let rows = rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
    std::iter::once(header).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [("NAME", Align::Left), ("N", Align::Right), ("STATE", Align::Left)];
        let row = |name: &str, n: &str, state: &str| vec![name.to_owned(), n.to_owned(), state.to_owned()];
        let lines = table(&columns, &[row("grüße-1", "7", "ok"), row("a", "1024", "")]);
        assert_eq!(lines, ["NAME        N  STATE", "grüße-1     7  ok", "a        1024"]);
        assert_eq!(table(&columns, &[]), ["NAME  N  STATE"]);
    }
}
