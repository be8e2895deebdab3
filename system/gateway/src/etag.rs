//! Entity tags: an entity's version as its `ETag`, and the versions that `If-Match` and `If-None-Match` name. Must not know any entity.

use axum::body::Body;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::error::HttpError;

/// Most tags in one header.
pub(super) const TAGS_MAX: usize = 100;

/// The tag of a version: strong, because equal versions are equal bytes.
pub(super) fn tag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are plain text")
}

/// The tags that a condition names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`: any.
    Any,
    /// The tags as they were sent, weak ones with their `W/`.
    Listed(Vec<String>),
}

impl Tags {
    /// Whether this tag is among them. A weak tag of it counts, too: nothing is written.
    pub(super) fn name(&self, current: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags
                .iter()
                .any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == current),
        }
    }
}

/// The versions that `If-Match` names; `None` if any will do.
///
/// # Errors
/// 400 for a header that is no list of tags; 412 for one of which no tag can be an entity's.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Vec<u64>>, HttpError> {
    let Some(Tags::Listed(tags)) = tags(headers, &IF_MATCH)? else {
        return Ok(None);
    };
    // A weak tag is never the same for a write, and a tag that isn't the number of a version is no entity's.
    let versions: Vec<u64> = tags.iter().filter_map(|tag| version(tag)).collect();
    if versions.is_empty() {
        return Err(HttpError::new(
            StatusCode::PRECONDITION_FAILED,
            "no tag of If-Match can be an entity's; send the ETag of a GET, such as \"3\"",
        ));
    }
    Ok(Some(versions))
}

/// The tags of what the client has already, by `If-None-Match`.
///
/// # Errors
/// 400 for a header that is no list of tags.
pub(super) fn if_none_match(headers: &HeaderMap) -> Result<Option<Tags>, HttpError> {
    tags(headers, &IF_NONE_MATCH)
}

/// The answer with this tag: `whole`, or 304 if the client has it already.
pub(super) fn tagged(
    tag: HeaderValue,
    known: Option<Tags>,
    whole: impl FnOnce() -> Response,
) -> Response {
    let mut answer = if known.is_some_and(|tags| tags.name(&tag)) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer
    } else {
        whole()
    };
    answer.headers_mut().insert(ETAG, tag);
    answer
}

/// The version whose tag this is.
fn version(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let version = digits.parse::<u64>().ok()?;
    // Exactly as it is written in an ETag: "03" and "+3" are other tags.
    (version.to_string() == digits).then_some(version)
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, HttpError> {
    let mut listed = Vec::new();
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let bad = || {
        HttpError::bad_request(format!(
            "{name} is malformed; send * or at most {TAGS_MAX} tags in quotes, such as \"3\", \"4\""
        ))
    };
    let mut any = false;
    for line in lines {
        let text = line.to_str().map_err(|_| bad())?;
        if text.trim() == "*" {
            any = true;
        } else {
            list(text, &mut listed).ok_or_else(bad)?;
        }
    }
    match (any, listed.is_empty()) {
        (true, true) => Ok(Some(Tags::Any)),
        (false, false) if listed.len() <= TAGS_MAX => Ok(Some(Tags::Listed(listed))),
        _ => Err(bad()),
    }
}

/// Adds a line's tags; `None` if it is malformed. A quoted tag may contain commas.
fn list(line: &str, tags: &mut Vec<String>) -> Option<()> {
    let mut rest = line.trim();
    loop {
        let weak = rest.starts_with("W/");
        let quoted = if weak { &rest[2..] } else { rest };
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        if quoted[..end].contains(|c: char| c.is_ascii_whitespace()) {
            return None;
        }
        let whole = if weak { end + 2 } else { end };
        tags.push(rest[..whole].to_owned());
        rest = rest[whole..].trim_start();
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's lines, and what they say or the status of the error.
    type Case<'a> = (&'a [&'a str], Result<Option<&'a [u64]>, u16>);

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn if_match_names_versions_by_their_strong_tags() {
        let cases: &[Case] = &[
            (&[], Ok(None)),
            (&["*"], Ok(None)),
            (&["\"3\""], Ok(Some(&[3]))),
            (&[" \"3\" ,\"4\""], Ok(Some(&[3, 4]))),
            (&["\"3\"", "\"5\""], Ok(Some(&[3, 5]))),
            (&["\"3\", W/\"4\", \"a,b\""], Ok(Some(&[3]))),
            (&["W/\"3\""], Err(412)),
            (&["\"03\""], Err(412)),
            (&["\"\""], Err(412)),
            (&["\"99999999999999999999\""], Err(412)),
            (&["3"], Err(400)),
            (&[""], Err(400)),
            (&["\"3"], Err(400)),
            (&["\"3\" \"4\""], Err(400)),
            (&["\"3\","], Err(400)),
            (&["w/\"3\""], Err(400)),
            (&["*, \"3\""], Err(400)),
            (&["*", "\"3\""], Err(400)),
            (&["\"3 4\""], Err(400)),
        ];
        for (lines, expected) in cases {
            let found = if_match(&headers(&IF_MATCH, lines));
            let found = found.map_err(|error| error.status.as_u16());
            assert_eq!(found, expected.map(|v| v.map(<[u64]>::to_vec)), "{lines:?}");
        }
        let many = vec!["\"1\""; TAGS_MAX + 1].join(",");
        let error = if_match(&headers(&IF_MATCH, &[&many])).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
    }

    #[test]
    fn a_known_version_may_be_named_weakly() {
        let cases = [
            ("\"3\"", true),
            ("W/\"3\"", true),
            ("\"2\", \"3\"", true),
            ("*", true),
            ("\"2\"", false),
            ("\"x\"", false),
        ];
        for (line, known) in cases {
            let tags = if_none_match(&headers(&IF_NONE_MATCH, &[line])).unwrap();
            assert_eq!(tags.unwrap().name(&tag(3)), known, "{line}");
        }
        assert!(if_none_match(&headers(&IF_NONE_MATCH, &["3"])).is_err());
        assert_eq!(if_none_match(&HeaderMap::new()).unwrap(), None);
        assert_eq!(tag(3), "\"3\"");
    }
}
