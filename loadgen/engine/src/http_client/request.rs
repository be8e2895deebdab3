//! Encodes requests as bytes. Checks paths and headers, because they are rendered from data: a line break in a value must
//! not become a second header. A header that the request has is sent once, in place of the client's own.

use std::borrow::Cow;

use url::Url;

use super::error::HttpError;
use super::target::Target;

const HEX: &[u8; 16] = b"0123456789abcdef";
const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A W3C trace context: identifies the journey that a request belongs to.
#[derive(Debug, Clone, Copy)]
pub struct TraceContext {
    /// The same for all requests of a journey.
    pub trace: u128,
    /// This request's own.
    pub span: u64,
    /// Whether its times are recorded, here and by the server.
    pub sampled: bool,
}

/// One request. Parts that are the same for every request are borrowed.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method, as in the request line.
    pub method: &'static str,
    /// Path and query, from `/` on.
    pub path: Cow<'a, str>,
    /// Sent as `traceparent`.
    pub trace: Option<TraceContext>,
    /// Further headers.
    pub headers: Vec<(&'a str, String)>,
    /// JSON, unless a header says otherwise.
    pub body: Option<Cow<'a, [u8]>>,
    /// Whether the answer's headers are wanted.
    pub keeps_headers: bool,
}

impl<'a> Request<'a> {
    /// A GET without anything else.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            trace: None,
            headers: Vec::new(),
            body: None,
            keeps_headers: false,
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(&str, String)| known.eq_ignore_ascii_case(name);
        let found = self.headers.iter().find(named);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the request is safe: it changes nothing, so it may be sent twice.
    pub fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// Whether it asks the target to close the connection.
    pub(super) fn asks_to_close(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }

    /// Path and query below a target, with its path before it. A whole URL is allowed where it is the target's own.
    pub(super) fn place(&self, target: &Target) -> Result<Place<'_>, HttpError> {
        let path = &*self.path;
        let wrong = |problem: &str| {
            let text = format!("the path `{}` {problem}", path.escape_debug());
            Err(HttpError::BadRequest(text))
        };
        if path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return wrong("has characters that HTTP does not allow");
        }
        if path.contains('#') {
            return wrong(
                "has a `#`: a fragment is never sent, and the character itself is written %23",
            );
        }
        if path.starts_with('/') {
            return Ok(Place {
                slash: "",
                below_base: true,
                path: path.into(),
            });
        }
        let is_url = path.split_once("://").is_some_and(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        });
        if !is_url {
            return Ok(Place {
                slash: "/",
                below_base: true,
                path: path.into(),
            });
        }
        match Url::parse(path) {
            Ok(url) if target.owns(&url) => {
                let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
                Ok(Place {
                    slash: "",
                    below_base: false,
                    path: path.into(),
                })
            }
            Ok(_) => wrong("is a URL of another host than the target's"),
            Err(e) => wrong(&format!("is not a URL: {e}")),
        }
    }

    /// Appends the encoded request to `out`.
    pub(super) fn encode(
        &self,
        envelope: &Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), HttpError> {
        let target = envelope.target;
        let place = self.place(target)?;
        let mut push = |parts: &[&str]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
        };
        push(&[self.method, " "]);
        if let Some((scheme, authority)) = target.absolute_form() {
            push(&[scheme, authority]);
        }
        if place.below_base {
            push(&[target.base_path()]);
        }
        push(&[place.slash]);
        place.encode(out);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let standard = target.headers();
        if self.headers.is_empty() {
            out.extend_from_slice(standard.block.as_bytes());
        } else {
            for (name, line) in &standard.lines {
                if self.header(name).is_none() {
                    out.extend_from_slice(line.as_bytes());
                }
            }
        }
        if let Some(context) = &self.trace
            && self.header("traceparent").is_none()
        {
            context.encode(out);
        }
        if let Some(encodings) = envelope.accept_encoding
            && self.header("accept-encoding").is_none()
        {
            line(out, "accept-encoding", encodings);
        }
        if envelope.close && self.header("connection").is_none() {
            line(out, "connection", "close");
        }
        self.check_headers()?;
        for (name, value) in &self.headers {
            match envelope
                .cookie
                .filter(|_| name.eq_ignore_ascii_case("cookie"))
            {
                // One line: servers read only one (RFC 6265, 5.4).
                Some(kept) => line(out, name, &format!("{value}; {kept}")),
                None => line(out, name, value),
            }
        }
        if let Some(cookie) = envelope.cookie
            && self.header("cookie").is_none()
        {
            line(out, "cookie", cookie);
        }
        match &self.body {
            Some(body) => {
                if self.header("content-type").is_none() {
                    line(out, "content-type", "application/json");
                }
                let framing = format!("content-length: {}\r\n\r\n", body.len());
                out.extend_from_slice(framing.as_bytes());
                out.extend_from_slice(body);
            }
            None if matches!(self.method, "POST" | "PUT" | "PATCH") => {
                out.extend_from_slice(b"content-length: 0\r\n\r\n");
            }
            None => out.extend_from_slice(b"\r\n"),
        }
        Ok(())
    }

    /// Refuses what HTTP does not allow, and what this client writes itself.
    pub(super) fn check_headers(&self) -> Result<(), HttpError> {
        let illegal = |what: &str, text: &str| {
            Err(HttpError::BadRequest(format!(
                "{what} `{}` has characters that HTTP does not allow",
                text.escape_debug()
            )))
        };
        for (name, value) in &self.headers {
            if name.is_empty() || name.bytes().any(|b| b <= b' ' || b == b':' || b >= 0x7f) {
                return illegal("the header's name", name);
            }
            if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
                return illegal("the header's value", value);
            }
            let framing = ["content-length", "transfer-encoding"];
            if framing.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                let text = format!(
                    "the header `{name}` follows from the body, and is not the scenario's to set"
                );
                return Err(HttpError::BadRequest(text));
            }
        }
        Ok(())
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Where and how a request is sent.
pub(super) struct Envelope<'a> {
    pub target: &'a Target,
    /// The customer's cookies for it: `a=1; b=2`.
    pub cookie: Option<&'a str>,
    /// What answers may be compressed with.
    pub accept_encoding: Option<&'a str>,
    /// No other request follows on the connection.
    pub close: bool,
}

/// A request's path and query.
pub(super) struct Place<'a> {
    /// What is missing before the path.
    slash: &'static str,
    /// Whether the target's own path comes before it.
    below_base: bool,
    path: Cow<'a, str>,
}

impl Place<'_> {
    /// Appends the path, with what a URL can't have percent-encoded (RFC 3986, 2).
    fn encode(&self, out: &mut Vec<u8>) {
        let bytes = self.path.as_bytes();
        let is_not_allowed = |byte: &u8| {
            matches!(
                byte,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..
            )
        };
        if !bytes.iter().any(is_not_allowed) {
            return out.extend_from_slice(bytes);
        }
        for byte in bytes {
            if is_not_allowed(byte) {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend([b'%', UPPER_HEX[high], UPPER_HEX[low]]);
            } else {
                out.push(*byte);
            }
        }
    }

    /// The same as text, with the target's own path before it.
    pub fn whole(&self, target: &Target) -> String {
        let mut out = Vec::new();
        self.encode(&mut out);
        let base = match self.below_base {
            true => target.base_path(),
            false => "",
        };
        format!("{base}{}{}", self.slash, String::from_utf8_lossy(&out))
    }
}

impl TraceContext {
    /// `traceparent: 00-<32 digits>-<16 digits>-01` (00 where it is not sampled); formatting it with `write!` took longer than the rest of a request.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let hex = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend(
                bytes
                    .iter()
                    .flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]),
            );
        };
        out.extend_from_slice(b"traceparent: 00-");
        hex(out, &self.trace.to_be_bytes());
        out.push(b'-');
        hex(out, &self.span.to_be_bytes());
        out.extend_from_slice(if self.sampled { b"-01\r\n" } else { b"-00\r\n" });
    }
}

#[cfg(test)]
mod tests;
