//! Bodies and credentials of requests, checked and compiled. Must not know how they are sent.

use std::sync::Arc;

use crate::template::Template;

/// A request's body.
#[derive(Debug)]
pub enum Body {
    /// One content.
    Whole(Content),
    /// `multipart/form-data`: its parts, in order.
    Multipart(Vec<Part>),
}

/// What a body or a part of one is made of.
#[derive(Debug)]
pub enum Content {
    /// JSON, a form, or any text.
    Text(Template),
    /// Bytes that are known when the scenario is read: a file's, or those of base64 without `{{…}}`.
    Bytes(Arc<[u8]>),
    /// Text that renders to the base64 of the bytes.
    Base64(Template),
}

/// A part of a multipart body.
#[derive(Debug)]
pub struct Part {
    /// The field's name.
    pub name: Template,
    /// The name of the file that it claims to be.
    pub filename: Option<Template>,
    /// Its content type; without one it is a plain field.
    pub content_type: Option<String>,
    /// The content.
    pub content: Content,
}

/// Credentials for the header `Authorization`.
#[derive(Debug)]
pub enum Auth {
    /// RFC 7617.
    #[allow(missing_docs)] // the names say it
    Basic { user: Template, password: Template },
    /// RFC 6750.
    Bearer(Template),
}

impl Body {
    /// The templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Whole(content) => content.template().into_iter().collect(),
            Self::Multipart(parts) => parts.iter().flat_map(Part::templates).collect(),
        }
    }
}

impl Content {
    fn template(&self) -> Option<&Template> {
        match self {
            Self::Text(template) | Self::Base64(template) => Some(template),
            Self::Bytes(_) => None,
        }
    }
}

impl Part {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.name)
            .chain(&self.filename)
            .chain(self.content.template())
    }
}

impl Auth {
    /// The templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Basic { user, password } => vec![user, password],
            Self::Bearer(token) => vec![token],
        }
    }
}
