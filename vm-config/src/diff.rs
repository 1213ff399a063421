//! What an edit changes, as a unified diff.

use similar::{ChangeTag, TextDiff};

use crate::secrets;

/// A unified diff from `old` to `new`, both XML of a domain, under the name `name`; empty if they are the same.
///
/// Secrets are covered by `***`. So it is for reading: `patch` does not take it where a covered line is in it. Line ends
/// stay as they are.
#[must_use]
pub fn unified(name: &str, old: &str, new: &str) -> String {
    let (old, new) = (secrets::cover(old), secrets::cover(new));
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let diff = TextDiff::from_slices(&old, &new);
    let mut text = String::new();
    for (at, hunk) in diff.unified_diff().context_radius(3).iter_hunks().enumerate() {
        if at == 0 {
            text.push_str(&format!("--- {name}\n+++ {name}\n"));
        }
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            text.push(match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            text.push_str(change.value());
            if !change.value().ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_lines_and_no_secrets() {
        let old = "<d>\n<g passwd='hunter2'/>\n</d>";
        let new = "<d>\n<g passwd='hunter2'/>\n<s/>\n</d>";
        assert_eq!(
            unified("a.xml", old, new),
            "--- a.xml\n+++ a.xml\n@@ -1,3 +1,4 @@\n <d>\n <g passwd='***'/>\n+<s/>\n </d>\n\
             \\ No newline at end of file\n"
        );
        assert_eq!(unified("a.xml", old, old), "");
    }
}
