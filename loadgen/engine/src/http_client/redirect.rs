//! Where an answer sends a request on to, and how the request is changed for it (RFC 9110, 15.4). Pure.

use std::time::Duration;

use url::Url;

use super::request::Request;

/// Headers that describe a body, besides those that begin with `content-`.
const OF_THE_BODY: [&str; 2] = ["idempotency-key", "digest"];
/// Headers for the first host only.
const OF_THE_HOST: [&str; 4] = ["authorization", "cookie", "host", "proxy-authorization"];

/// Which redirects are followed.
#[derive(Clone, Copy)]
pub struct Following<'a> {
    /// At most so many for one request; 0 for none.
    pub redirects_max: u32,
    /// Whether a status is the answer: then it is not followed.
    pub is_answer: &'a dyn Fn(u16) -> bool,
}

/// A redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The status that asked for it.
    pub status: u16,
    /// How long the target took to say so.
    pub time: Duration,
    /// The request that was answered so: method and URL.
    pub from: String,
    /// The request that followed.
    pub to: String,
}

impl Following<'_> {
    /// Whether an answer of this status is followed.
    pub(super) fn follows(&self, status: u16) -> bool {
        matches!(status, 301 | 302 | 303 | 307 | 308)
            && self.redirects_max > 0
            && !(self.is_answer)(status)
    }
}

/// The request that follows on an answer to `request`, which was sent to `from`. Nothing secret goes to another host.
pub(super) fn next<'a>(request: &Request<'a>, status: u16, from: &Url, to: &Url) -> Request<'a> {
    let method = match (status, request.method) {
        (303, "HEAD") => "HEAD",
        (303, _) | (301 | 302, "POST") => "GET",
        (_, method) => method,
    };
    let is_changed = method != request.method;
    let is_elsewhere = from.origin() != to.origin();
    let stays = |name: &str| {
        let name = name.to_ascii_lowercase();
        let of_the_body = name.starts_with("content-") || OF_THE_BODY.contains(&name.as_str());
        let of_the_host = OF_THE_HOST.contains(&name.as_str());
        !(is_changed && of_the_body || is_elsewhere && of_the_host)
    };
    let headers = request.headers.iter();
    Request {
        method,
        path: to
            .as_str()
            .split('#')
            .next()
            .unwrap_or_default()
            .to_owned()
            .into(),
        trace: request.trace,
        headers: headers.filter(|(name, _)| stays(name)).cloned().collect(),
        body: request.body.clone().filter(|_| !is_changed),
        keeps_headers: request.keeps_headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(method: &'static str, status: u16, to: &str) -> Request<'static> {
        let request = Request {
            method,
            headers: ["Authorization", "Content-Type", "x-own"]
                .map(|name| (name, "a".to_owned()))
                .to_vec(),
            body: Some(b"{}".as_slice().into()),
            ..Request::get("/")
        };
        let from = Url::parse("http://shop/").unwrap();
        next(&request, status, &from, &from.join(to).unwrap())
    }

    #[test]
    fn the_method_stays_except_where_a_get_is_asked_for_or_usual() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
            ("PUT", 301, "PUT"),
            ("PUT", 303, "GET"),
            ("DELETE", 302, "DELETE"),
            ("HEAD", 303, "HEAD"),
            ("GET", 302, "GET"),
        ] {
            let next = followed(method, status, "/b");
            assert_eq!(next.method, expected, "{method} {status}");
            let stays = expected == method;
            assert_eq!(next.body.is_some(), stays, "{method} {status}");
            assert_eq!(next.header("content-type").is_some(), stays);
            assert!(next.header("authorization").is_some());
        }
    }

    #[test]
    fn what_is_secret_stays_at_its_host() {
        for (to, stays) in [
            ("/b#part", true),
            ("http://shop:81/", false),
            ("https://shop/", false),
            ("//other/", false),
        ] {
            let next = followed("GET", 302, to);
            assert_eq!(next.header("authorization").is_some(), stays, "{to}");
            assert!(next.header("x-own").is_some());
            assert!(!next.path.contains('#'));
        }
    }
}
