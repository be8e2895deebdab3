//! Query strings: decodes them, refuses unknown parameters, reads `limit` and `cursor`. Must not know any route.

use super::error::HttpError;

/// Entities per page if no limit is given.
pub(super) const PAGE_DEFAULT: usize = 100;
/// Longest cursor, bytes.
pub(super) const CURSOR_BYTES_MAX: usize = 1000;

/// The parameters of a request: known names with their values.
#[derive(Debug)]
pub(super) struct QueryString(Vec<(&'static str, String)>);

impl QueryString {
    /// Parses a query string with parameters of these `known` names, each at most once.
    ///
    /// # Errors
    /// 400 that names the unknown, repeated or badly encoded parameter.
    pub(super) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, HttpError> {
        let mut values: Vec<(&'static str, String)> = Vec::new();
        for part in query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decode = |text| {
                percent_decode(text, true).ok_or_else(|| {
                    HttpError::bad_request(format!("{text:?} is not percent-encoded UTF-8"))
                })
            };
            let (name, value) = (decode(name)?, decode(value)?);
            let known_name = known.iter().find(|known| **known == name);
            let Some(name) = known_name else {
                let allowed = if known.is_empty() {
                    "this route has none".to_owned()
                } else {
                    format!("this route has {}", known.join(", "))
                };
                return Err(HttpError::bad_request(format!(
                    "unknown query parameter {name:?}; {allowed}"
                )));
            };
            if values.iter().any(|(given, _)| given == name) {
                return Err(HttpError::bad_request(format!(
                    "query parameter {name} is given twice; give it once"
                )));
            }
            values.push((name, value));
        }
        Ok(Self(values))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The requested limit, if any.
    ///
    /// # Errors
    /// 400 for a limit out of 1–`max`.
    pub(super) fn limit(&self, max: usize) -> Result<Option<usize>, HttpError> {
        match self.get("limit") {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(limit) if (1..=max).contains(&limit) => Ok(Some(limit)),
                _ => Err(HttpError::bad_request(format!(
                    "limit is {text:?}; it must be a number from 1 to {max}"
                ))),
            },
        }
    }

    /// The requested page; `None` means everything.
    ///
    /// # Errors
    /// 400 for a limit out of 1–`max` or an empty or overlong cursor.
    pub(super) fn page(&self, max: usize) -> Result<Option<PageRequest<'_>>, HttpError> {
        let limit = self.limit(max)?;
        let cursor = self.get("cursor");
        if cursor.is_some_and(|cursor| cursor.is_empty() || cursor.len() > CURSOR_BYTES_MAX) {
            return Err(HttpError::bad_request(
                "cursor is empty or too long; send the cursor from the answer with the previous page",
            ));
        }
        if limit.is_none() && cursor.is_none() {
            return Ok(None);
        }
        Ok(Some(PageRequest {
            limit: limit.unwrap_or(PAGE_DEFAULT),
            cursor,
        }))
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRequest<'a> {
    /// At least 1, at most what the list allows.
    pub(super) limit: usize,
    /// The cursor from the previous page; `None` for the first page.
    pub(super) cursor: Option<&'a str>,
}

/// Decodes percent-encoding; in a query a plus sign is a space. `None` if the encoding is bad or the result isn't UTF-8.
pub(super) fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::payload::PAGE_ENTITIES_MAX;

    const KNOWN: &[&str] = &["limit", "cursor"];

    #[test]
    fn limits_and_cursors_are_read_and_bad_ones_refused() {
        let page = |query| {
            let query = QueryString::parse(Some(query), KNOWN)?;
            Ok::<_, HttpError>(
                query
                    .page(PAGE_ENTITIES_MAX)?
                    .map(|page| (page.limit, page.cursor.map(str::to_owned))),
            )
        };
        assert_eq!(page("").unwrap(), None);
        assert_eq!(page("limit=1000").unwrap(), Some((1000, None)));
        assert_eq!(
            page("cursor=a%2Bb&limit=1").unwrap(),
            Some((1, Some("a+b".into())))
        );
        assert_eq!(page("cursor=c").unwrap(), Some((100, Some("c".into()))));
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=x",
            "limit=",
            "cursor=",
            "limit=1&limit=2",
            "cursor=%f",
        ] {
            assert_eq!(page(bad).unwrap_err().status.as_u16(), 400, "{bad}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_with_what_is_known() {
        let error = QueryString::parse(Some("limit=1&lmit=2"), KNOWN).unwrap_err();
        assert!(
            error.message.contains("lmit") && error.message.contains("cursor"),
            "{error}"
        );
    }

    #[test]
    fn a_plus_sign_is_a_space_in_queries_alone() {
        assert_eq!(percent_decode("a+b%20c", true).unwrap(), "a b c");
        assert_eq!(percent_decode("a+b%20c", false).unwrap(), "a+b c");
        assert_eq!(percent_decode("%c3%A4", false).unwrap(), "ä");
        assert_eq!(percent_decode("%", false), None);
    }
}
