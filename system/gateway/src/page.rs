//! The page on `/`: a few files in the binary, served under a strict content security policy. Must not know what they show.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::error::HttpError;
use super::etag;

/// Content security policy: no other origins, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asset {
    Index,
    Style,
    Script,
    Shown,
    Recorded,
    Waterfall,
    Icon,
}

impl Asset {
    pub(super) const ALL: [Self; 7] = [
        Self::Index,
        Self::Style,
        Self::Script,
        Self::Shown,
        Self::Recorded,
        Self::Waterfall,
        Self::Icon,
    ];

    /// The file's path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Style => "/page/style.css",
            Self::Script => "/page/app.js",
            Self::Shown => "/page/shown.js",
            Self::Recorded => "/page/recorded.js",
            Self::Waterfall => "/page/waterfall.js",
            Self::Icon => "/page/icon.svg",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Index => include_str!("page/index.html"),
            Self::Style => include_str!("page/style.css"),
            Self::Script => include_str!("page/app.js"),
            Self::Shown => include_str!("page/shown.js"),
            Self::Recorded => include_str!("page/recorded.js"),
            Self::Waterfall => include_str!("page/waterfall.js"),
            Self::Icon => include_str!("page/icon.svg"),
        }
    }

    /// The type that the file is served as.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Index => "text/html; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Script | Self::Shown | Self::Recorded | Self::Waterfall => {
                "text/javascript; charset=utf-8"
            }
            Self::Icon => "image/svg+xml",
        }
    }

    /// The FNV-1a hash of the text: changes whenever the file does.
    const fn etag(self) -> u64 {
        let bytes = self.text().as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut n = 0;
        while n < bytes.len() {
            hash = (hash ^ bytes[n] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            n += 1;
        }
        hash
    }
}

/// Answers with the file, or 304 if the browser has it already.
///
/// # Errors
/// 400 for a malformed `If-None-Match`.
pub(super) fn page(asset: Asset, request: &HeaderMap) -> Result<Response, HttpError> {
    let tag = HeaderValue::try_from(format!("\"{:016x}\"", asset.etag()))
        .expect("hex digits in quotes are plain text");
    let known = etag::if_none_match(request)?;
    let mut response = etag::tagged(tag, known, || Response::new(Body::from(asset.text())));
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, asset.content_type()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // The browser must revalidate, to show a new binary's page at once; the ETag makes that cheap.
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_has_the_file_gets_304() {
        let first = page(Asset::Script, &HeaderMap::new()).unwrap();
        assert_eq!(first.status(), 200);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(page(Asset::Script, &headers).unwrap().status(), 304);
        assert_eq!(page(Asset::Style, &headers).unwrap().status(), 200);
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere_and_writes_no_markup_from_values() {
        let html = Asset::Index.text();
        assert!(!html.contains("http://") && !html.contains("https://"));
        assert!(!html.contains("style=") && !html.contains("onclick="));
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            for asset in Asset::ALL {
                assert!(!asset.text().contains(forbidden), "{asset:?}: {forbidden}");
            }
        }
    }
}
