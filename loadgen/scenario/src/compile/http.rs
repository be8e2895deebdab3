//! Checks how a scenario speaks HTTP: the ranges of `[http]`, and what of a request only the client can know.

use std::ops::Range;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::file::{Http, Protocol, RequestFile};

/// The most redirects of one request.
const REDIRECTS_MAX: u32 = 50;
/// The most requests at once on one connection.
const STREAMS_MAX: usize = 10_000;
/// How a proxy's URL begins.
const PROXIES: [&str; 3] = ["http://", "socks5://", "socks5h://"];
/// Headers of a connection: HTTP/2 has none (RFC 9113, 8.2.2).
const OF_CONNECTIONS: [&str; 4] = ["connection", "keep-alive", "proxy-connection", "upgrade"];
/// Headers that follow from the body.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// Whether a header's name may have it (RFC 9110, 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

impl Compiler<'_> {
    pub(super) fn http(&self, raw: Option<Spanned<Http>>) -> Compiled<Http> {
        let Some(raw) = raw else {
            return Ok(Http::default());
        };
        let (span, http) = (raw.span(), raw.into_inner());
        let wrong = |key: &str, problem: &str, allowed: &str| {
            let place = self.source.find(key, span.clone());
            let help = format!("allowed: {allowed}");
            Err(self
                .source
                .error(place, format!("`{key}` {problem}"), Some(help)))
        };
        if http.redirects > REDIRECTS_MAX {
            return wrong(
                "redirects",
                "is out of range",
                "0 (none are followed) to 50",
            );
        }
        if !(1..=STREAMS_MAX).contains(&http.streams_per_connection) {
            return wrong("streams_per_connection", "is out of range", "1 to 10000");
        }
        if http.requests_per_connection == Some(0) {
            return wrong("requests_per_connection", "is out of range", "1 or more");
        }
        let is_proxy = |url: &str| url == "none" || PROXIES.iter().any(|p| url.starts_with(p));
        if http.proxy.as_deref().is_some_and(|url| !is_proxy(url)) {
            let allowed = "http://host:port, socks5://host:port, or none";
            return wrong("proxy", "is not a proxy's URL", allowed);
        }
        if http.protocol == Protocol::Http2 {
            let why = "is for HTTP/1.1 only";
            let allowed = "this key with protocol = \"http/1.1\"";
            if !http.keep_alive {
                return wrong("keep_alive", why, allowed);
            }
            if http.requests_per_connection.is_some() {
                return wrong("requests_per_connection", why, allowed);
            }
        }
        Ok(http)
    }

    /// Refuses a request's parts that would be sent twice, or nowhere.
    pub(super) fn sendable(&self, raw: &RequestFile, span: &Range<usize>) -> Compiled<()> {
        let wrong = |at: &str, problem: String, help: &str| {
            let place = self.source.find(at, span.clone());
            Err(self.source.error(place, problem, Some(help.to_owned())))
        };
        let mut names: Vec<String> = Vec::new();
        for name in raw.headers.keys() {
            let lower = name.to_ascii_lowercase();
            if FRAMING.contains(&lower.as_str()) {
                let problem = format!("the header `{name}` follows from the body");
                return wrong(
                    name,
                    problem,
                    "allowed: any other header; this one is always sent, and right",
                );
            }
            if name.is_empty() || !name.chars().all(is_token) {
                let problem =
                    format!("the header's name `{name}` has characters that HTTP does not allow");
                let help = "allowed: letters, digits and !#$%&'*+-.^_`|~";
                return wrong(name, problem, help);
            }
            if self.protocol == Protocol::Http2 && OF_CONNECTIONS.contains(&lower.as_str()) {
                let problem = format!("HTTP/2 has no header `{name}`");
                return wrong(
                    name,
                    problem,
                    "allowed: this header with protocol = \"http/1.1\"",
                );
            }
            if names.contains(&lower) {
                let problem =
                    format!("the header `{name}` stands here twice, in different letters");
                return wrong(
                    name,
                    problem,
                    "allowed: each header once; upper and lower case mean the same",
                );
            }
            names.push(lower);
        }
        let path = raw.path.beginning();
        let scheme = path
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        if matches!(scheme.as_deref(), Some("http" | "https")) {
            let problem = format!("the path is a URL: `{path}`");
            return wrong(
                &format!("\"{path}"),
                problem,
                "allowed: path and query, as in `/things?limit=5`; the host is named with --target",
            );
        }
        let literal = raw.path.as_literal().unwrap_or_default();
        if literal.contains('#') {
            let problem = "the path has a `#`: a fragment is never sent".to_owned();
            return wrong(
                &format!("\"{literal}"),
                problem,
                "allowed: path and query; the character itself is written %23",
            );
        }
        if literal.contains(|c: char| c == ' ' || c.is_control()) {
            let problem = "the path has a character that no path may have".to_owned();
            return wrong(
                "path",
                problem,
                "allowed: all but spaces and control characters; a space is written %20",
            );
        }
        Ok(())
    }
}
