//! The headers that this client adds to every request, unless the request has its own. Must not know requests.

/// How this program calls itself.
const USER_AGENT: &str = concat!("loadgen/", env!("CARGO_PKG_VERSION"));

/// The headers of requests to this authority, with the value of `authorization` if the target's URL has user and password.
pub(super) fn standard_headers(
    authority: &str,
    authorization: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("host", authority.to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
    ];
    headers.extend(authorization.map(|value| ("authorization", value.to_owned())));
    headers
}
