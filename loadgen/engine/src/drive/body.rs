//! Renders a request's body and credentials. Must not know how they are sent.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;

use loadgen_scenario::base64_decoded;
use loadgen_scenario::body::{Auth, Body, Content, Part};
use loadgen_scenario::expression::{EvaluationError, Scope};

/// A rendered body.
pub struct RenderedBody<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// Set for a multipart body: it names the boundary.
    pub content_type: Option<String>,
}

/// Renders a body; a file's bytes are borrowed.
pub fn render<'a>(
    body: &'a Body,
    scope: &mut Scope<'_>,
) -> Result<RenderedBody<'a>, EvaluationError> {
    match body {
        Body::Whole(whole) => Ok(RenderedBody {
            bytes: content(whole, scope)?,
            content_type: None,
        }),
        Body::Multipart(parts) => multipart(parts, scope),
    }
}

fn content<'a>(
    content: &'a Content,
    scope: &mut Scope<'_>,
) -> Result<Cow<'a, [u8]>, EvaluationError> {
    Ok(match content {
        Content::Text(template) => template.render(scope)?.into_bytes().into(),
        Content::Bytes(bytes) => Cow::Borrowed(&**bytes),
        Content::Base64(template) => {
            let decoded = base64_decoded(&template.render(scope)?);
            decoded
                .map_err(|problem| EvaluationError::new("base64", problem))?
                .into()
        }
    })
}

/// Encodes parts as RFC 7578 says.
fn multipart<'a>(
    parts: &[Part],
    scope: &mut Scope<'_>,
) -> Result<RenderedBody<'a>, EvaluationError> {
    // So long that no content has it by accident.
    let boundary = format!("loadgen-{:032x}", scope.rng.random::<u128>());
    let mut bytes = Vec::new();
    for part in parts {
        let mut head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"",
            quoted(&part.name.render(scope)?)
        );
        if let Some(filename) = &part.filename {
            let filename = quoted(&filename.render(scope)?);
            head.push_str(&format!("; filename=\"{filename}\""));
        }
        if let Some(content_type) = &part.content_type {
            head.push_str(&format!("\r\ncontent-type: {content_type}"));
        }
        head.push_str("\r\n\r\n");
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&content(&part.content, scope)?);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(RenderedBody {
        bytes: bytes.into(),
        content_type: Some(format!("multipart/form-data; boundary={boundary}")),
    })
}

/// A name in a part's head, as browsers write it: nothing in it ends the name or the line.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of the header `Authorization`.
pub fn authorization(auth: &Auth, scope: &mut Scope<'_>) -> Result<String, EvaluationError> {
    Ok(match auth {
        Auth::Basic { user, password } => {
            let (user, password) = (user.render(scope)?, password.render(scope)?);
            if user.contains(':') {
                let problem = format!("the user's name `{user}` has a colon");
                return Err(EvaluationError::new("auth", problem));
            }
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        Auth::Bearer(token) => format!("Bearer {}", token.render(scope)?),
    })
}
