//! The keys of `[http]`: how a scenario's customers speak HTTP.

use schemars::JsonSchema;
use serde::Deserialize;

/// How customers speak HTTP; each key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The version of HTTP that requests are sent in.
    pub protocol: Protocol,
    /// Whether a connection is used for several requests; HTTP/1.1 only.
    pub keep_alive: bool,
    /// A connection is closed after this many requests, at least 1; by default it is not. HTTP/1.1 only.
    pub requests_per_connection: Option<u64>,
    /// Requests at once on one connection, 1 to 10000, if the target allows that many; HTTP/2 only.
    pub streams_per_connection: usize,
    /// Redirects followed for one request at most, 0 to 50. A status that the step's `expect` or `skip_on` names is an answer and not followed.
    pub redirects: u32,
    /// Whether each customer keeps the cookies that the target sets, from one request of the journey to the next.
    pub cookies: bool,
    /// What answers may be compressed with; by default they are not.
    pub accept_encoding: Vec<Encoding>,
    /// The proxy to the targets, `http://host:port` or `socks5://host:port`, or `none`; by default the one that the environment names. `--proxy` replaces it.
    pub proxy: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            keep_alive: true,
            requests_per_connection: None,
            streams_per_connection: 100,
            redirects: 10,
            cookies: true,
            accept_encoding: Vec::new(),
            proxy: None,
        }
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2: agreed on in the TLS handshake, or spoken at once without TLS.
    #[serde(rename = "h2")]
    Http2,
}

/// A compression of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Br,
    /// RFC 1950.
    Deflate,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Encoding {
    /// The encoding's name in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

impl Http {
    /// The value of `accept-encoding`, if answers may be compressed.
    pub fn accepted(&self) -> Option<String> {
        let names: Vec<&str> = self.accept_encoding.iter().map(|e| e.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}
