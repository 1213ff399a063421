//! Why an input is not the XML of one domain.

use thiserror::Error;

use crate::Position;

/// The largest input, in bytes.
pub const LARGEST_INPUT: usize = 16 << 20;

/// Why an input is not the XML of one domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Larger than [`LARGEST_INPUT`].
    #[error("larger than 16 MiB, which no domain is: give the XML of one domain")]
    TooLarge,
    /// Nothing but white space.
    #[error(
        "empty: give the XML of a domain, such as `virsh dumpxml --inactive --security-info DOMAIN` prints"
    )]
    Empty,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8: convert it to UTF-8 first, with `iconv -f ENCODING -t UTF-8`")]
    NotUtf8(Position),
    /// An XML declaration that names another encoding.
    #[error(
        "declares the encoding {name:?}: convert it to UTF-8 first, with `iconv -f {name:?} -t UTF-8`, and say so in its first line"
    )]
    OtherEncoding {
        /// The encoding it names.
        name: String,
        /// Where it does.
        at: Position,
    },
    /// A document type, which may define entities.
    #[error("has a DOCTYPE, which no domain has and which can hide what an entity stands for: remove it")]
    Doctype(Position),
    /// XML that is not well-formed.
    #[error("no well-formed XML: {reason}")]
    NotXml {
        /// What the parser says.
        reason: String,
        /// Where.
        at: Position,
    },
    /// Something follows the first document.
    #[error(
        "more than one document: something follows the first root element; give each domain a file of its own"
    )]
    SeveralDocuments(Position),
    /// The root element is no `<domain>`.
    #[error("the root element is <{root}>, not <domain>: {hint}")]
    NoDomain {
        /// The name of the root element.
        root: String,
        /// What to give instead.
        hint: &'static str,
        /// Where the root element begins.
        at: Position,
    },
    /// The root element has a namespace, in which libvirt looks for nothing.
    #[error(
        "<domain> is in the namespace {namespace:?}, where libvirt finds none of its elements: remove the namespace"
    )]
    Namespace {
        /// The namespace.
        namespace: String,
        /// Where the root element begins.
        at: Position,
    },
    /// A `<domain>` without any element.
    #[error(
        "<domain> is empty: give the whole XML of a domain, such as `virsh dumpxml --inactive --security-info DOMAIN` prints"
    )]
    EmptyDomain(Position),
}

impl Unreadable {
    /// Where in the input it is, if it is at a place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::TooLarge | Self::Empty => None,
            Self::NotUtf8(at) | Self::Doctype(at) | Self::SeveralDocuments(at) | Self::EmptyDomain(at) => {
                Some(*at)
            }
            Self::OtherEncoding { at, .. }
            | Self::NotXml { at, .. }
            | Self::NoDomain { at, .. }
            | Self::Namespace { at, .. } => Some(*at),
        }
    }

    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Empty => "empty",
            Self::NotUtf8(_) | Self::OtherEncoding { .. } => "not-utf-8",
            Self::Doctype(_) => "doctype",
            Self::NotXml { .. } => "not-xml",
            Self::SeveralDocuments(_) => "several-documents",
            Self::NoDomain { .. } => "no-domain",
            Self::Namespace { .. } => "namespace",
            Self::EmptyDomain(_) => "empty-domain",
        }
    }
}
