//! Encodes requests as bytes. Checks paths and headers, because they are rendered from data: a line break in a value must
//! not become a second header. A header that the request has is sent once, in place of the client's own.

use std::borrow::Cow;

use url::Url;

use super::error::HttpError;
use super::standard_headers::StandardHeader;
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

    fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// Whether the request is safe: it changes nothing, so it may be sent twice.
    pub fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// Whether its times are recorded.
    pub(super) fn is_sampled(&self) -> bool {
        self.trace.is_some_and(|trace| trace.sampled)
    }

    /// Whether it asks the target to close the connection.
    pub(super) fn asks_to_close(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }

    /// Path and query below a target, with its path before it. A whole URL is allowed where it is the target's own.
    pub(super) fn place<'p>(&'p self, target: &'p Target) -> Result<Place<'p>, HttpError> {
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
                base: target.base_path(),
                slash: "",
                path: path.into(),
            });
        }
        let is_url = path.split_once("://").is_some_and(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        });
        if !is_url {
            return Ok(Place {
                base: target.base_path(),
                slash: "/",
                path: path.into(),
            });
        }
        match Url::parse(path) {
            Ok(url) if target.owns(&url) => {
                let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
                Ok(Place {
                    base: "",
                    slash: "",
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
        let proxy = target.reading_proxy();
        push(out, &[self.method, " "]);
        if proxy.is_some() {
            push(out, &["http://", target.authority()]);
        }
        place.encode(out);
        push(out, &[" HTTP/1.1\r\n"]);
        self.check_headers()?;
        for header in self.standard_headers(target) {
            push(out, &[&header.line]);
        }
        self.each_further_header(envelope, |name, value| {
            line(out, name, value);
            Ok(())
        })?;
        if let Some(password) = proxy.and_then(|proxy| proxy.authorization.as_deref())
            && self.header("proxy-authorization").is_none()
        {
            line(out, "proxy-authorization", password.as_bytes());
        }
        match &self.body {
            Some(body) => {
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

    /// Gives `add` each header, with its value: what the client adds, unless the request has its own, and what the request has. Those that
    /// belong to a version of HTTP are not among them: a body's length, a proxy's password.
    pub(super) fn each_header(
        &self,
        envelope: &Envelope<'_>,
        mut add: impl FnMut(&str, &[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        self.check_headers()?;
        for header in self.standard_headers(envelope.target) {
            add(header.name, header.value.as_bytes())?;
        }
        self.each_further_header(envelope, add)
    }

    /// The target's headers, unless the request has its own.
    fn standard_headers<'t>(&self, target: &'t Target) -> impl Iterator<Item = &'t StandardHeader> {
        target
            .headers()
            .iter()
            .filter(|header| !self.has(header.name))
    }

    fn each_further_header(
        &self,
        envelope: &Envelope<'_>,
        mut add: impl FnMut(&str, &[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let is_missing = |name: &str| !self.has(name);
        if let Some(context) = &self.trace
            && is_missing("traceparent")
        {
            add("traceparent", &context.value())?;
        }
        if let Some(encodings) = envelope.accept_encoding
            && is_missing("accept-encoding")
        {
            add("accept-encoding", encodings.as_bytes())?;
        }
        if envelope.close && is_missing("connection") {
            add("connection", b"close")?;
        }
        for (name, value) in &self.headers {
            match envelope
                .cookie
                .filter(|_| name.eq_ignore_ascii_case("cookie"))
            {
                // One line: servers read only one (RFC 6265, 5.4).
                Some(kept) => add(name, format!("{value}; {kept}").as_bytes())?,
                None => add(name, value.as_bytes())?,
            }
        }
        if let Some(cookie) = envelope.cookie
            && is_missing("cookie")
        {
            add("cookie", cookie.as_bytes())?;
        }
        if self.body.is_some() && is_missing("content-type") {
            add("content-type", b"application/json")?;
        }
        Ok(())
    }

    /// Refuses what HTTP does not allow, and what this client writes itself.
    fn check_headers(&self) -> Result<(), HttpError> {
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

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    push(out, &[name, ": "]);
    out.extend_from_slice(value);
    push(out, &["\r\n"]);
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
    /// The target's own path, where this one stands below it.
    base: &'a str,
    /// What is missing before the path.
    slash: &'static str,
    path: Cow<'a, str>,
}

impl Place<'_> {
    /// Appends all of it, with what a URL can't have percent-encoded (RFC 3986, 2).
    fn encode(&self, out: &mut Vec<u8>) {
        push(out, &[self.base, self.slash]);
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

    /// The same as text.
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        self.encode(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl TraceContext {
    /// `00-<32 digits>-<16 digits>-01` (00 where it is not sampled); formatting it with `write!` took longer than the rest of a request.
    fn value(&self) -> [u8; 55] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let hex = |digits: &mut [u8], bytes: &[u8]| {
            for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                pair[0] = HEX[usize::from(byte >> 4)];
                pair[1] = HEX[usize::from(byte & 15)];
            }
        };
        hex(&mut value[3..35], &self.trace.to_be_bytes());
        hex(&mut value[36..52], &self.span.to_be_bytes());
        value[54] += u8::from(self.sampled);
        value
    }
}

#[cfg(test)]
mod tests;
