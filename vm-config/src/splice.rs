//! Changes to a text, by bytes; everything between them stays as it is.

use std::ops::Range;

use crate::domain::{Layout, Marker, Site, white_space_before};
use crate::{Device, Domain, Existing, PciAddress};

/// A change: what replaces which bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

/// `text` with `edits`, which lie in its order and do not overlap.
pub(crate) fn splice(text: &str, edits: &[Edit]) -> String {
    let mut result =
        String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut done = 0;
    for edit in edits {
        result.push_str(text.get(done..edit.range.start).unwrap_or_default());
        result.push_str(&edit.text);
        done = edit.range.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    result
}

/// The change that adds `device` to `domain`, as the last of its devices.
pub(crate) fn insertion(domain: &Domain<'_>, device: &Device, address: Option<PciAddress>) -> Edit {
    let element = |layout: &Layout| format!("{}{}", layout.line(0), device.libvirt_xml(address, layout));
    match domain.site() {
        Site::Open { at, layout, .. } => Edit { range: *at..*at, text: element(layout) },
        Site::SelfClosing { end, layout } => Edit {
            range: end.clone(),
            text: format!(
                ">{}{}{}</devices>",
                Marker::Expanded.comment(),
                element(&layout.deeper()),
                layout.line(0)
            ),
        },
        Site::Missing { at, layout } => Edit {
            range: *at..*at,
            text: format!(
                "{0}<devices>{1}{2}{0}</devices>",
                layout.line(0),
                Marker::Added.comment(),
                element(&layout.deeper())
            ),
        },
    }
}

/// The change that puts `device` where `old` is.
pub(crate) fn replacement(old: &Existing, device: &Device, address: Option<PciAddress>) -> Edit {
    Edit { range: old.range(), text: device.libvirt_xml(address, old.layout()) }
}

/// The changes that take `doomed` out, each with the white space before it, and restore what an insertion has made
/// of a domain without devices.
pub(crate) fn removal(domain: &Domain<'_>, doomed: &[&Existing]) -> Vec<Edit> {
    let text = domain.text();
    let mut edits: Vec<Edit> = doomed.iter().map(|shmem| deletion(text, shmem.range())).collect();
    let Site::Open { element, content, marker: Some((marker, comment)), .. } = domain.site() else {
        return edits;
    };
    edits.insert(0, Edit { range: comment.clone(), text: String::new() });
    let inside: Vec<Edit> = edits
        .iter()
        .filter(|edit| content.start <= edit.range.start && edit.range.end <= content.end)
        .map(|edit| Edit {
            range: edit.range.start - content.start..edit.range.end - content.start,
            text: String::new(),
        })
        .collect();
    let rest = splice(text.get(content.clone()).unwrap_or_default(), &inside);
    if inside.len() == edits.len() && rest.trim().is_empty() {
        return vec![match marker {
            Marker::Added => deletion(text, element.clone()),
            // The byte before the content is the `>` of the tag.
            Marker::Expanded => Edit { range: content.start - 1..element.end, text: "/>".to_owned() },
        }];
    }
    edits
}

/// The change that deletes `range`, with the white space before it.
pub(crate) fn deletion(text: &str, range: Range<usize>) -> Edit {
    let start = range.start - white_space_before(text, range.start).len();
    Edit { range: start..range.end, text: String::new() }
}
