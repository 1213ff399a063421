//! From bytes to the elements of one domain, or to what is wrong with them.

use roxmltree::{Document, Node, ParsingOptions};

use crate::unreadable::LARGEST_INPUT;
use crate::{Position, Unreadable};

/// The most elements, comments and texts a document may have: far more than any domain, and little memory.
const MOST_NODES: u32 = 1_000_000;

/// `bytes` as the text of a document.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.len() > LARGEST_INPUT {
        return Err(Unreadable::TooLarge);
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        Unreadable::NotUtf8(Position::of(&valid, valid.len()))
    })?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    // UTF-16 of ASCII without a byte order mark is valid UTF-8 with zeros in it.
    if let Some(zero) = text.find('\0') {
        return Err(Unreadable::NotUtf8(Position::of(text, zero)));
    }
    if let Some((name, offset)) = declared_encoding(text) {
        let same = ["utf-8", "utf8", "us-ascii", "ascii"];
        if !same.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Unreadable::OtherEncoding { name: name.to_owned(), at: Position::of(text, offset) });
        }
    }
    Ok(text)
}

/// The encoding that the XML declaration names, and where.
fn declared_encoding(text: &str) -> Option<(&str, usize)> {
    let declaration = text.trim_start_matches('\u{feff}').strip_prefix("<?xml")?;
    let declaration = declaration.split_once("?>")?.0;
    let after = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|&c| c == '\'' || c == '"')?;
    let value = after.get(1..)?.split_once(quote)?.0;
    Some((value, text.find(value)?))
}

/// The document that `text` is.
pub(crate) fn document(text: &str) -> Result<Document<'_>, Unreadable> {
    parse(text).map_err(|error| {
        if error == roxmltree::Error::DtdDetected {
            return Unreadable::Doctype(Position::of(text, text.find("<!DOCTYPE").unwrap_or_default()));
        }
        let (line, column) = (error.pos().row, error.pos().col);
        let at = Position {
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column: usize::try_from(column).unwrap_or(usize::MAX),
        };
        match first_document(text, at) {
            Some(end) => Unreadable::SeveralDocuments(Position::of(text, end)),
            None => Unreadable::NotXml { reason: error.to_string(), at },
        }
    })
}

fn parse(text: &str) -> Result<Document<'_>, roxmltree::Error> {
    Document::parse_with_options(
        text,
        ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() },
    )
}

/// Where the second document begins, if the text up to `error` is a whole one.
fn first_document(text: &str, error: Position) -> Option<usize> {
    let line_start = match error.line.checked_sub(2) {
        None => 0,
        Some(lines_before) => text.match_indices('\n').nth(lines_before)?.0 + 1,
    };
    let (column, _) = text.get(line_start..)?.char_indices().nth(error.column.checked_sub(1)?)?;
    let end = line_start + column;
    let before = text.get(..end)?;
    (text.get(end..)?.starts_with('<') && parse(before).is_ok()).then_some(end)
}

/// The root of `document`, which is a `<domain>` with elements in it.
pub(crate) fn root<'a, 'i>(document: &'a Document<'i>) -> Result<Node<'a, 'i>, Unreadable> {
    let root = document.root_element();
    let at = Position::of(document.input_text(), root.range().start);
    let name = root.tag_name();
    if name.name() != "domain" {
        return Err(Unreadable::NoDomain { root: printable(name.name()), hint: hint(name.name()), at });
    }
    if let Some(namespace) = name.namespace() {
        return Err(Unreadable::Namespace { namespace: namespace.to_owned(), at });
    }
    if !root.children().any(|child| child.is_element()) {
        return Err(Unreadable::EmptyDomain(at));
    }
    Ok(root)
}

fn hint(root: &str) -> &'static str {
    match root {
        "domainsnapshot" | "domaincheckpoint" | "domstatus" | "domainbackup" => {
            "this one holds a domain as it was and belongs to libvirt; give what `virsh dumpxml --inactive \
             --security-info DOMAIN` prints"
        }
        "domainCapabilities" | "capabilities" | "sysinfo" => {
            "this one describes a host; give what `virsh dumpxml --inactive --security-info DOMAIN` prints"
        }
        _ => "give what `virsh dumpxml --inactive --security-info DOMAIN` prints, one domain a file",
    }
}

/// A name out of a document, for a terminal. XML allows no control characters in names, but writing directions and the
/// like.
pub(crate) fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '?' }).take(64).collect()
}
