//! The headers that this client adds to every request, unless the request has its own. Must not know requests.

/// How this program calls itself.
const USER_AGENT: &str = concat!("loadgen/", env!("CARGO_PKG_VERSION"));

/// One of these headers.
pub(super) struct StandardHeader {
    pub name: &'static str,
    pub value: String,
    /// Both, as a line of HTTP/1.1: encoded once.
    pub line: String,
}

impl StandardHeader {
    fn new(name: &'static str, value: &str) -> Self {
        Self {
            name,
            value: value.to_owned(),
            line: format!("{name}: {value}\r\n"),
        }
    }
}

/// The headers of requests to this authority, with the value of `authorization` if the target's URL has user and password.
pub(super) fn standard_headers(
    authority: &str,
    authorization: Option<&str>,
) -> Vec<StandardHeader> {
    let mut headers = vec![
        StandardHeader::new("host", authority),
        StandardHeader::new("user-agent", USER_AGENT),
    ];
    headers.extend(authorization.map(|value| StandardHeader::new("authorization", value)));
    headers
}
