//! The headers that this client adds to every request, unless the request has its own. Must not know requests.

/// How this program calls itself.
const USER_AGENT: &str = concat!("loadgen/", env!("CARGO_PKG_VERSION"));

/// Header lines, each with its line break.
#[derive(Debug)]
pub(super) struct StandardHeaders {
    /// All of them, for requests without headers of their own.
    pub block: String,
    /// By name.
    pub lines: Vec<(&'static str, String)>,
}

impl StandardHeaders {
    /// For requests to this authority, with the value of `authorization` if the target's URL has user and password. `for_proxy` is a line
    /// for the proxy or empty.
    pub fn new(authority: &str, authorization: Option<&str>, for_proxy: &str) -> Self {
        let mut lines = vec![
            ("host", format!("host: {authority}\r\n")),
            ("user-agent", format!("user-agent: {USER_AGENT}\r\n")),
        ];
        lines.extend(
            authorization.map(|value| ("authorization", format!("authorization: {value}\r\n"))),
        );
        if !for_proxy.is_empty() {
            lines.push(("proxy-authorization", for_proxy.to_owned()));
        }
        Self {
            block: lines.iter().map(|(_, line)| line.as_str()).collect(),
            lines,
        }
    }
}
