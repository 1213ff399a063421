//! Secrets in the XML of a domain, covered before a line of it is shown.

use std::ops::Range;

use roxmltree::{Document, Node};

/// What stands for a secret.
const COVER: &str = "***";

/// Names of elements and attributes, and parts of texts, that speak of secrets; in lower case.
const SECRETIVE: [&str; 8] =
    ["passw", "passphrase", "secret", "token", "cookie", "credential", "dhcert", "session"];

/// `text`, which is XML of a domain, with its secrets covered. Lines stay lines.
///
/// Covered are values whose name speaks of a secret, everything but names inside an element whose name does, and whole
/// values, texts, comments and processing instructions that speak of one. A text that is no XML is covered whole.
pub(crate) fn cover(text: &str) -> String {
    let mut ranges: Vec<Range<usize>> = match Document::parse(text) {
        Ok(document) => secrets_in(text, &document),
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

/// What is secret in `document`, in bytes of `text`.
fn secrets_in(text: &str, document: &Document<'_>) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    // Nodes come in the order of the text, so all that begins before this is inside something secret.
    let mut secret_until = 0;
    for node in document.root().descendants() {
        let range = node.range();
        let inside = range.start < secret_until;
        if node.is_element() {
            secrets.extend(secret_values(text, node, inside));
            if is_secretive(node.tag_name().name()) {
                secret_until = secret_until.max(range.end);
            }
        } else if node.is_text() && (inside || node.text().is_some_and(is_secretive)) {
            secrets.push(range);
        } else if node.is_comment() && (inside || node.text().is_some_and(is_secretive)) {
            secrets.push(range.start + "<!--".len()..range.end - "-->".len());
        } else if node.is_pi() && (inside || node.pi().and_then(|pi| pi.value).is_some_and(is_secretive)) {
            secrets.push(range);
        }
    }
    secrets
}

/// The values, without their quotes, of the attributes of `element` that are secret: all of them `inside` something
/// secret.
fn secret_values(text: &str, element: Node<'_, '_>, inside: bool) -> Vec<Range<usize>> {
    let inside = inside || is_secretive(element.tag_name().name());
    element
        .attributes()
        .filter(|attribute| inside || is_secretive(attribute.name()) || is_secretive(attribute.value()))
        .filter_map(|attribute| {
            let range = attribute.range();
            let raw = text.get(range.clone())?;
            let quote = raw.chars().next_back()?;
            Some(range.start + raw.find(quote)? + 1..range.end - 1)
        })
        .collect()
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
        assert!(
            covered.contains("passwd=\"***\" port='1'/>\n<cookie name='***'>***\n</cookie>"),
            "{covered}"
        );
        assert!(covered.contains("<!--***\n-->") && covered.contains("v='***'/>a</x:login>"), "{covered}");
    }

    #[test]
    fn lines_stay_lines_and_what_is_no_xml_is_covered_whole() {
        assert_eq!(cover("<a>\n<b"), "***\n");
        let plain = "<domain>\n  <name>web1</name>\n</domain>\n";
        assert_eq!(cover(plain), plain);
    }
}
