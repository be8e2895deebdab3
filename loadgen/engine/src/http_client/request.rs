//! Encodes requests as bytes. Checks paths and headers, because they are rendered from data: a line break in a value must
//! not become a second header. Must not know where it is sent.

use std::borrow::Cow;

use super::error::HttpError;

const HEX: &[u8; 16] = b"0123456789abcdef";

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

    /// Appends the encoded request to `out`. `base_path` comes before its path; `host_header` is a line with its line break.
    pub fn encode(
        &self,
        host_header: &str,
        base_path: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), HttpError> {
        let illegal = |what: &str, text: &str| {
            Err(HttpError::BadRequest(format!(
                "{what} `{}` has characters that HTTP does not allow",
                text.escape_debug()
            )))
        };
        if self.path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return illegal("the path", &self.path);
        }
        for part in [self.method, " ", base_path] {
            out.extend_from_slice(part.as_bytes());
        }
        if !self.path.starts_with('/') && base_path.is_empty() {
            out.push(b'/');
        }
        for part in [&self.path, " HTTP/1.1\r\n", host_header] {
            out.extend_from_slice(part.as_bytes());
        }
        if let Some(context) = &self.trace {
            context.encode(out);
        }
        for (name, value) in &self.headers {
            if name.is_empty() || name.bytes().any(|b| b <= b' ' || b == b':' || b >= 0x7f) {
                return illegal("the header's name", name);
            }
            if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
                return illegal("the header's value", value);
            }
            for part in [*name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        match &self.body {
            Some(body) => {
                let own_type =
                    |(name, _): &(&str, String)| name.eq_ignore_ascii_case("content-type");
                if !self.headers.iter().any(own_type) {
                    out.extend_from_slice(b"content-type: application/json\r\n");
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
}

impl TraceContext {
    /// `traceparent: 00-<32 digits>-<16 digits>-01` (00 where it is not sampled); formatting it with `write!` took longer than the rest of a request.
    fn encode(&self, out: &mut Vec<u8>) {
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
mod tests {
    use super::*;

    fn encoded(request: &Request<'_>, base_path: &str) -> String {
        let mut out = Vec::new();
        request
            .encode("host: shop:80\r\n", base_path, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_get_is_a_line_and_its_host() {
        assert_eq!(
            encoded(&Request::get("/a?b=c"), ""),
            "GET /a?b=c HTTP/1.1\r\nhost: shop:80\r\n\r\n"
        );
        assert_eq!(
            encoded(&Request::get("/a"), "/base"),
            "GET /base/a HTTP/1.1\r\nhost: shop:80\r\n\r\n"
        );
    }

    #[test]
    fn a_post_has_its_trace_its_headers_and_its_length() {
        let request = Request {
            method: "POST",
            trace: Some(TraceContext {
                trace: 1,
                span: 2,
                sampled: true,
            }),
            headers: vec![("x-a", "b".into())],
            body: Some(b"{}".as_slice().into()),
            ..Request::get("/a")
        };
        assert_eq!(
            encoded(&request, ""),
            "POST /a HTTP/1.1\r\nhost: shop:80\r\n\
             traceparent: 00-00000000000000000000000000000001-0000000000000002-01\r\nx-a: b\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn a_line_break_in_rendered_data_is_refused_and_no_second_header() {
        let rows = [
            Request::get("/a\r\nx: y"),
            Request::get("/a b"),
            Request {
                headers: vec![("x", "a\r\ny: z".into())],
                ..Request::get("/a")
            },
            Request {
                headers: vec![("x: y", "a".into())],
                ..Request::get("/a")
            },
        ];
        for request in rows {
            let outcome = request.encode("host: shop:80\r\n", "", &mut Vec::new());
            assert!(
                matches!(outcome, Err(HttpError::BadRequest(_))),
                "{request:?}"
            );
        }
    }
}
