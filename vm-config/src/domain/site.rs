//! Where in a domain a new device goes.

use std::ops::Range;

use roxmltree::Node;

use super::{Layout, child, white_space_before};

/// Where a new device goes. Everything is in bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// There is `<devices>...</devices>`.
    Open {
        /// The whole element.
        element: Range<usize>,
        /// What is between its tags.
        content: Range<usize>,
        /// The end of the last child or text, before the white space at the end.
        at: usize,
        /// The layout of the new device.
        layout: Layout,
        /// What an earlier edit says of what was here before it.
        marker: Option<(Marker, Range<usize>)>,
    },
    /// There is `<devices/>`.
    SelfClosing {
        /// The two bytes `/>`.
        end: Range<usize>,
        /// The layout of `<devices>` itself.
        layout: Layout,
    },
    /// There is none.
    Missing {
        /// Where it goes: after the last element that libvirt itself reads.
        at: usize,
        /// The layout of the new `<devices>`.
        layout: Layout,
    },
}

/// A comment that says what was here before, so that a removal can restore it to the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// There was no `<devices>`.
    Added,
    /// There was `<devices/>`.
    Expanded,
}

impl Marker {
    /// The comment.
    pub(crate) fn comment(self) -> &'static str {
        match self {
            Self::Added => "<!-- added by ivring-vm-config -->",
            Self::Expanded => "<!-- expanded by ivring-vm-config -->",
        }
    }
}

impl Site {
    pub(super) fn read(text: &str, root: Node<'_, '_>) -> Self {
        match child(root, "devices") {
            Some(devices) => Self::of(text, devices),
            None => Self::missing(text, root),
        }
    }

    fn of(text: &str, devices: Node<'_, '_>) -> Self {
        let element = devices.range();
        let inside = text.get(element.clone()).unwrap_or_default();
        if inside.ends_with("/>") {
            let end = element.end - 2..element.end;
            return Self::SelfClosing { end, layout: Layout::of_element(text, devices) };
        }
        // A closing tag has no `</` within, so the last one is its own.
        let close = element.start + inside.rfind("</").unwrap_or(inside.len());
        let open = devices.first_child().map_or(close, |first| first.range().start);
        let marker = [Marker::Added, Marker::Expanded].into_iter().find_map(|marker| {
            let comment = open..open + marker.comment().len();
            (text.get(comment.clone()) == Some(marker.comment())).then_some((marker, comment))
        });
        let at = close - white_space_before(text, close).len();
        Self::Open {
            element,
            content: open..close,
            at,
            layout: Layout::of_child(text, devices, close),
            marker,
        }
    }

    fn missing(text: &str, root: Node<'_, '_>) -> Self {
        let plain = |node: &Node<'_, '_>| node.is_element() && node.tag_name().namespace().is_none();
        let last = root.children().rfind(plain).or_else(|| root.first_element_child());
        let at = last.map_or(root.range().end, |last| last.range().end);
        let inside = text.get(root.range()).unwrap_or_default();
        let close = root.range().start + inside.rfind("</").unwrap_or(inside.len());
        Self::Missing { at, layout: Layout::of_child(text, root, close) }
    }
}
