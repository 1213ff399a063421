//! Secrets in the XML of a domain, covered before a line of it is shown.

use std::ops::Range;

use roxmltree::{Document, Node, NodeType};

/// What stands for a secret.
const COVER: &str = "***";

/// Names of elements and attributes, and parts of texts, that speak of secrets; in lower case.
const SECRETIVE: [&str; 8] =
    ["passw", "passphrase", "secret", "token", "cookie", "credential", "dhcert", "session"];

/// `text`, which is XML of a domain, with its secrets covered. Lines stay lines.
///
/// Covered are values and texts whose name speaks of a secret, whole values, comments and processing instructions that
/// speak of one, and whatever is inside `<metadata>` under such a name. A text that is no XML is returned without a
/// single character of its lines.
pub(crate) fn cover(text: &str) -> String {
    let mut ranges: Vec<Range<usize>> = match Document::parse(text) {
        Ok(document) => document.root().descendants().flat_map(|node| secrets(text, node)).collect(),
        Err(_) => std::iter::once(0..text.len()).collect(),
    };
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut covered = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        let start = range.start.max(done);
        if range.end <= start {
            continue;
        }
        covered.push_str(text.get(done..start).unwrap_or_default());
        covered.push_str(COVER);
        covered.extend(text.get(start..range.end).unwrap_or_default().matches('\n'));
        done = range.end;
    }
    covered.push_str(text.get(done..).unwrap_or_default());
    covered
}

/// What is secret of `node` itself, in bytes of `text`.
fn secrets(text: &str, node: Node<'_, '_>) -> Vec<Range<usize>> {
    let range = node.range();
    let (is_secret, range) = match node.node_type() {
        NodeType::Element => return secret_values(text, node),
        NodeType::Text => {
            let named = node.ancestors().skip(1).any(|parent| is_secretive(parent.tag_name().name()));
            (named || node.text().is_some_and(is_secretive), range)
        }
        NodeType::Comment => {
            let inside = range.start + "<!--".len()..range.end - "-->".len();
            (node.text().is_some_and(is_secretive), inside)
        }
        NodeType::PI => (node.pi().and_then(|pi| pi.value).is_some_and(is_secretive), range),
        NodeType::Root => (false, range),
    };
    is_secret.then_some(range).into_iter().collect()
}

/// The values, without their quotes, of the attributes of `element` that are secret.
fn secret_values(text: &str, element: Node<'_, '_>) -> Vec<Range<usize>> {
    let in_metadata = in_secretive_metadata(element);
    element
        .attributes()
        .filter(|attribute| in_metadata || is_secretive(attribute.name()) || is_secretive(attribute.value()))
        .filter_map(|attribute| {
            let range = attribute.range();
            let raw = text.get(range.clone())?;
            let quote = raw.chars().next_back()?;
            Some(range.start + raw.find(quote)? + 1..range.end - 1)
        })
        .collect()
}

/// Whether `node` is inside `<metadata>`, where anybody keeps anything, below an element whose name speaks of a secret.
fn in_secretive_metadata(node: Node<'_, '_>) -> bool {
    node.ancestors().any(|parent| is_secretive(parent.tag_name().name()))
        && node.ancestors().any(|parent| parent.has_tag_name("metadata"))
}

fn is_secretive(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRETIVE.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_and_nothing_else() {
        let covered = cover(
            "<domain>\n<graphics type='vnc' passwd=\"hunter2\" port='1'/>\n<cookie name='a'>hunter2\nhunter2</cookie>\n\
             <!-- the password\nis hunter2 -->\n<arg value='-object secret,data=hunter2'/>\n\
             <metadata><x:login xmlns:x='u'><x:token v='hunter2'/>a</x:login></metadata></domain>",
        );
        assert!(!covered.contains("hunter2"), "{covered}");
        assert!(covered.contains("passwd=\"***\" port='1'/>\n<cookie name='a'>***\n</cookie>"), "{covered}");
        assert!(covered.contains("<!--***\n-->") && covered.contains("/>a</x:login>"), "{covered}");
    }

    #[test]
    fn lines_stay_lines_and_what_is_no_xml_is_covered_whole() {
        assert_eq!(cover("<a>\n<b"), "***\n");
        let plain = "<domain>\n  <name>web1</name>\n</domain>\n";
        assert_eq!(cover(plain), plain);
    }
}
