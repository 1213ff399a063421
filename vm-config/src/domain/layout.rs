//! How a document is laid out, so that a new element looks like its neighbours.

use roxmltree::Node;

/// Quotes, line ends and indentation of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    quote: char,
    /// `None` for an element in one line.
    newline: Option<&'static str>,
    indent: String,
    step: String,
}

impl Default for Layout {
    /// As libvirt writes: single quotes, two spaces a level, from the first column.
    fn default() -> Self {
        Self { quote: '\'', newline: Some("\n"), indent: String::new(), step: "  ".to_owned() }
    }
}

impl Layout {
    /// The layout of a new child of `parent`, which ends at the byte `end` of `text`.
    ///
    /// A parent with all its children in one line gets another in that line.
    pub(crate) fn of_child(text: &str, parent: Node<'_, '_>, end: usize) -> Self {
        let before_end = white_space_before(text, end);
        let newline = newline_in(before_end);
        let parent_indent = newline.map_or("", |_| last_line(before_end));
        let sibling = parent.children().rfind(Node::is_element);
        let indent = sibling.and_then(|sibling| indent_of(text, sibling.range().start));
        let step = indent
            .and_then(|indent| indent.strip_prefix(parent_indent))
            .filter(|step| !step.is_empty())
            .unwrap_or_else(|| usual_step(parent_indent));
        let indent = indent.map_or_else(|| format!("{parent_indent}{step}"), str::to_owned);
        Self { quote: quote_in(text, parent), newline, indent, step: step.to_owned() }
    }

    /// The layout of the element that begins at the byte `start` of `text` and has `element`'s children.
    pub(crate) fn of_element(text: &str, element: Node<'_, '_>) -> Self {
        let range = element.range();
        let inside = text.get(range.clone()).unwrap_or_default();
        let before = white_space_before(text, range.start);
        let newline = newline_in(inside).or_else(|| newline_in(before));
        let indent = indent_of(text, range.start).unwrap_or_default();
        let child = element.children().find(Node::is_element);
        let step = child
            .and_then(|child| indent_of(text, child.range().start)?.strip_prefix(indent))
            .filter(|step| !step.is_empty())
            .unwrap_or_else(|| usual_step(indent));
        Self { quote: quote_in(text, element), newline, indent: indent.to_owned(), step: step.to_owned() }
    }

    /// The same with everything one level deeper.
    pub(crate) fn deeper(&self) -> Self {
        Self { indent: format!("{}{}", self.indent, self.step), ..self.clone() }
    }

    /// The quote of attributes.
    pub(crate) fn quote(&self) -> char {
        self.quote
    }

    /// What separates the element, or a child `depth` levels inside it, from what precedes it: line end and
    /// indentation, or nothing.
    pub(crate) fn line(&self, depth: usize) -> String {
        match self.newline {
            Some(newline) => format!("{newline}{}{}", self.indent, self.step.repeat(depth)),
            None => String::new(),
        }
    }
}

/// The white space that ends at the byte `end` of `text`.
pub(crate) fn white_space_before(text: &str, end: usize) -> &str {
    let before = text.get(..end).unwrap_or_default();
    let rest = before.trim_end_matches([' ', '\t', '\r', '\n']);
    before.get(rest.len()..).unwrap_or_default()
}

fn newline_in(white_space: &str) -> Option<&'static str> {
    let newline = white_space.find('\n')?;
    let before = white_space.get(..newline).unwrap_or_default();
    Some(if before.ends_with('\r') { "\r\n" } else { "\n" })
}

fn last_line(white_space: &str) -> &str {
    white_space.rsplit('\n').next().unwrap_or_default()
}

/// The indentation of what begins at the byte `start`, if it is the first in its line.
fn indent_of(text: &str, start: usize) -> Option<&str> {
    let before = white_space_before(text, start);
    before.contains('\n').then(|| last_line(before))
}

fn usual_step(indent: &str) -> &'static str {
    if indent.contains('\t') { "\t" } else { "  " }
}

/// The quote of the attribute that is nearest before the end of `element`, or of the root's.
fn quote_in(text: &str, element: Node<'_, '_>) -> char {
    let inside = element.descendants().flat_map(|node| node.attributes()).last();
    let attribute = inside.or_else(|| element.document().root_element().attributes().next());
    let quote = attribute.and_then(|attribute| text.as_bytes().get(attribute.range().end.checked_sub(1)?));
    if quote == Some(&b'"') { '"' } else { '\'' }
}
