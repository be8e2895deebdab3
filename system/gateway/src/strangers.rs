//! Strangers: which hosts a request may name, and which pages may write and listen. The gateway has no login, so the browser of whoever
//! can reach it must not lend that reach to the pages of others. Must not know any route.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header,
};

use super::error::HttpError;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What pages of an allowed origin may read of an answer's headers.
const EXPOSED: &str = "etag, retry-after, server-timing, x-correlation-id, x-position";
/// The headers that pages of an allowed origin may send.
const SENDABLE: &str =
    "content-type, idempotency-key, if-match, if-none-match, traceparent, x-at-least";

/// A host name that requests may name in `Host`; `*` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost(String);

/// An origin, `scheme://host[:port]`, whose pages may write, listen and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(String);

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if name == "*" || (!name.is_empty() && name.bytes().all(letter)) {
            return Ok(Self(name));
        }
        Err(format!(
            "{text:?} is no host name; write it without scheme and port, such as shop.example, or * for any"
        ))
    }
}

impl FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.trim().to_ascii_lowercase();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) && origin.is_ascii() {
            return Ok(Self(origin));
        }
        Err(format!(
            "{text:?} is no origin; write it as scheme://host or scheme://host:port, such as https://shop.example"
        ))
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may name, write and listen beside the gateway's own.
#[derive(Clone, Debug, Default)]
pub struct Strangers {
    /// Names that `Host` may have.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Origins whose pages are trusted.
    pub allowed_origins: Vec<AllowedOrigin>,
}

impl Strangers {
    /// Admits a request. The answer to a page of an allowed origin must carry [`tell_page`] with that origin.
    ///
    /// # Errors
    /// 400 without exactly one host, 403 for a foreign host, and for a foreign page that would write or listen.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, HttpError> {
        let host = self.host(request)?;
        let headers = request.headers();
        let Some(origin) = headers.get(header::ORIGIN) else {
            if harmless(request) || from_here(headers) {
                return Ok(None);
            }
            return Err(forbidden(
                "a page from elsewhere may not write here or listen; start the gateway with \
                 --allowed-origin for that page's origin if you trust it",
            ));
        };
        let origins = || headers.get_all(header::ORIGIN).iter();
        if origins().all(|origin| is_own(origin, host)) {
            return Ok(None);
        }
        if origins().all(|origin| self.trusts(origin)) {
            return Ok(Some(origin.clone()));
        }
        if harmless(request) {
            return Ok(None);
        }
        let origin = String::from_utf8_lossy(origin.as_bytes());
        Err(forbidden(format!(
            "a page of {origin} may not write here or listen; start the gateway with --allowed-origin {origin} if you trust that page"
        )))
    }

    /// The host and port that the request names, after its check.
    fn host<'a, B>(&self, request: &'a Request<B>) -> Result<&'a str, HttpError> {
        let mut named = request.headers().get_all(header::HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            // Browsers always send one, but probes that speak HTTP/1.0 need not.
            (None, _) if request.version() == Version::HTTP_10 => return Ok(""),
            _ => return Err(HttpError::bad_request("send exactly one Host header")),
        };
        // A proxy's form of the request names the host a second time.
        let target = request.uri().authority().map(|target| target.as_str());
        for named in target.into_iter().chain([host]) {
            self.check_host(name_of(named))?;
        }
        Ok(host)
    }

    /// A page that was loaded from a foreign name, and whose name then was made to point here, still names its own host. It can't do that with
    /// an address, and nobody can register a name without a dot or under `localhost`.
    fn check_host(&self, name: &str) -> Result<(), HttpError> {
        let bare = name.trim_end_matches('.');
        let address = bare.trim_start_matches('[').trim_end_matches(']');
        let local = || {
            !bare.is_empty() && (!bare.contains('.') || ends_with(bare, ".localhost"))
                || address.parse::<IpAddr>().is_ok()
        };
        let allowed =
            |allowed: &AllowedHost| allowed.0 == "*" || allowed.0.eq_ignore_ascii_case(bare);
        if local() || self.allowed_hosts.iter().any(allowed) {
            return Ok(());
        }
        Err(forbidden(format!(
            "{name:?} is not a name of this gateway; use its address or localhost, or start it with --allowed-host {name}"
        )))
    }

    fn trusts(&self, origin: &HeaderValue) -> bool {
        let is =
            |allowed: &AllowedOrigin| origin.as_bytes().eq_ignore_ascii_case(allowed.0.as_bytes());
        self.allowed_origins.iter().any(is)
    }
}

fn forbidden(message: impl Into<String>) -> HttpError {
    HttpError::new(StatusCode::FORBIDDEN, message)
}

fn ends_with(name: &str, end: &str) -> bool {
    name.len() > end.len()
        && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        // The colons within an IPv6 address's brackets are no port's.
        Some((name, port)) if digits(port) && (!name.contains('[') || name.ends_with(']')) => name,
        _ => host,
    }
}

/// Whether the request neither writes nor listens. A foreign page can't read the answer, because it carries no CORS headers.
fn harmless<B>(request: &Request<B>) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    reads && !request.headers().contains_key(header::UPGRADE)
}

/// Whether the origin is that of the named host. The scheme is left out: what a proxy before the gateway speaks can't be known here.
fn is_own(origin: &HeaderValue, host: &str) -> bool {
    let origin = origin.as_bytes();
    let rest = origin
        .strip_prefix(b"http://")
        .or_else(|| origin.strip_prefix(b"https://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.eq_ignore_ascii_case(host.as_bytes()))
}

/// Whether a request without an origin comes from no page, or from one of the gateway's own.
fn from_here(headers: &HeaderMap) -> bool {
    let sites = headers.get_all(&SEC_FETCH_SITE);
    sites
        .iter()
        .all(|site| site == "same-origin" || site == "none")
}

/// Lets a page of an allowed origin read the answer, and tells its browser what the page may send.
pub(super) fn tell_page(answer: &mut HeaderMap, origin: HeaderValue) {
    if let Some(methods) = answer.get(header::ALLOW).cloned() {
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let sendable = HeaderValue::from_static(SENDABLE);
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, sendable);
    }
    let exposed = HeaderValue::from_static(EXPOSED);
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers() -> Strangers {
        Strangers {
            allowed_hosts: vec!["Shop.example.".parse().unwrap()],
            allowed_origins: vec!["https://Desk.example:8443".parse().unwrap()],
        }
    }

    /// The status that a request with these headers gets: 200 if it is admitted, 201 if its page may read.
    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match strangers().admit(&request.body(()).unwrap()) {
            Ok(None) => 200,
            Ok(Some(_)) => 201,
            Err(error) => error.status.as_u16(),
        }
    }

    #[test]
    fn a_name_that_a_stranger_can_register_is_refused() {
        let cases = [
            ("127.0.0.1:5000", 200),
            ("10.1.2.3", 200),
            ("[::1]:5000", 200),
            ("[fe80::1]", 200),
            ("localhost", 200),
            ("LocalHost.:5000", 200),
            ("shop.localhost:5000", 200),
            ("api-gateway:5000", 200),
            ("shop.example", 200),
            ("SHOP.example.:8080", 200),
            ("evil.example", 403),
            ("evil.example:5000", 403),
            ("www.shop.example", 403),
            ("shop.example.evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("user@evil.example", 403),
            (".localhost.", 403),
            ("", 403),
            (":5000", 403),
        ];
        for (host, expected) in cases {
            assert_eq!(status("GET", "/", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[("host", "a"), ("host", "b")]), 400);
        let proxied = "http://evil.example/orders";
        assert_eq!(status("GET", proxied, &[("host", "localhost")]), 403);
    }

    #[test]
    fn a_foreign_page_can_neither_write_nor_listen() {
        let host = ("host", "127.0.0.1:5000");
        let cases: &[(&[(&str, &str)], u16)] = &[
            (&[], 200),
            (&[("origin", "http://127.0.0.1:5000")], 200),
            (&[("origin", "https://127.0.0.1:5000")], 200),
            (&[("origin", "http://127.0.0.1:5001")], 403),
            (&[("origin", "http://127.0.0.1")], 403),
            (&[("origin", "null")], 403),
            (&[("origin", "")], 403),
            (&[("origin", "https://evil.example")], 403),
            (&[("origin", "https://desk.example:8443")], 201),
            (&[("origin", "https://desk.example")], 403),
            (
                &[
                    ("origin", "http://127.0.0.1:5000"),
                    ("origin", "https://evil.example"),
                ],
                403,
            ),
            (&[("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "same-site")], 403),
            (&[("sec-fetch-site", "same-origin")], 200),
            (&[("sec-fetch-site", "none")], 200),
        ];
        for (headers, expected) in cases {
            let mut headers = [&[host], *headers].concat();
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                assert_eq!(status(method, "/order", &headers), *expected, "{headers:?}");
            }
            headers.push(("upgrade", "websocket"));
            assert_eq!(status("GET", "/events", &headers), *expected, "{headers:?}");
        }
        // A plain read changes nothing, and the page can't see its answer.
        let origin = ("origin", "https://evil.example");
        assert_eq!(status("GET", "/orders", &[host, origin]), 200);
    }

    #[test]
    fn names_and_origins_are_read_as_they_are_written_elsewhere() {
        for bad in [
            "",
            "https://shop.example",
            "shop.example:80",
            "a b",
            "*.example",
        ] {
            assert!(bad.parse::<AllowedHost>().is_err(), "{bad}");
        }
        for bad in ["", "shop.example", "https://", "https://a/", "*", "null"] {
            assert!(bad.parse::<AllowedOrigin>().is_err(), "{bad}");
        }
        assert!("*".parse::<AllowedHost>().is_ok());
    }
}
