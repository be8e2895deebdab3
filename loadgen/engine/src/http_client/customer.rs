//! What one customer's client remembers from one request to the next: cookies (RFC 6265). Must not know how requests are sent.

use std::cell::RefCell;

use cookie_store::CookieStore;
use url::Url;

use super::cookie_date;

/// A customer. Costs nothing until a first cookie comes.
#[derive(Debug)]
pub struct Customer {
    takes_cookies: bool,
    jar: RefCell<Option<Box<CookieStore>>>,
}

impl Customer {
    /// A customer without cookies yet.
    pub fn new(takes_cookies: bool) -> Self {
        Self {
            takes_cookies,
            jar: RefCell::new(None),
        }
    }

    /// Whether there may be a cookie to send.
    pub(super) fn has_cookies(&self) -> bool {
        self.jar.borrow().is_some()
    }

    /// The cookies for a request to this URL: `a=1; b=2`.
    pub(super) fn cookies(&self, url: &Url) -> Option<String> {
        let jar = self.jar.borrow();
        let mut found = jar.as_ref()?.matches(url);
        // Longer paths first (RFC 6265, 5.4); the rest by name, so that requests can be repeated exactly.
        found.sort_by(|a, b| {
            let path = |c: &cookie_store::Cookie<'_>| c.path.as_ref().len();
            path(b).cmp(&path(a)).then_with(|| a.name().cmp(b.name()))
        });
        let pairs = found.iter().map(|c| format!("{}={}", c.name(), c.value()));
        let line = pairs.collect::<Vec<_>>().join("; ");
        Some(line).filter(|line| !line.is_empty())
    }

    /// Takes the cookies of an answer. One that is not allowed there is left out, as browsers do.
    pub(super) fn take(&self, cookies: &[String], url: &Url) {
        if !self.takes_cookies {
            return;
        }
        let mut jar = self.jar.borrow_mut();
        let jar = jar.get_or_insert_with(Box::default);
        for cookie in cookies {
            if let Err(problem) = jar.parse(&with_plain_date(cookie), url) {
                tracing::debug!(%problem, "a cookie was not taken");
            }
        }
    }
}

/// The cookie with its date in the form that the jar reads: a cookie that it could not see the end of would live on.
fn with_plain_date(cookie: &str) -> String {
    let parts = cookie.split(';').map(|part| match part.split_once('=') {
        Some((name, date)) if name.trim().eq_ignore_ascii_case("expires") => {
            let date = cookie_date::normalised(date);
            date.map_or_else(|| part.to_owned(), |date| format!(" Expires={date}"))
        }
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_where_it_belongs_and_no_longer_than_it_lives() {
        let customer = Customer::new(true);
        let url = |text: &str| Url::parse(text).unwrap();
        let sent = [
            "all=1",
            "deep=2; Path=/a/b",
            "safe=3; Secure; Path=/",
            "wide=4; Domain=shop.example; Path=/",
            "foreign=5; Domain=other.example",
            "gone=6; Max-Age=0; Path=/",
            "old=7; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
            "zone=8; Expires=Tue, 01 Jan 2019 00:00:00 +0000; Path=/",
            "lower=9; expires=tue, 01 jan 2019 00:00:00 utc; path=/",
        ]
        .map(str::to_owned);
        customer.take(&sent, &url("https://www.shop.example/x"));
        for (at, expected) in [
            ("https://www.shop.example/", Some("all=1; safe=3; wide=4")),
            ("http://www.shop.example/", Some("all=1; wide=4")),
            (
                "http://www.shop.example/a/b/c",
                Some("deep=2; all=1; wide=4"),
            ),
            ("http://www.shop.example/a/bc", Some("all=1; wide=4")),
            ("http://api.shop.example/", Some("wide=4")),
            ("http://shop.example/", Some("wide=4")),
            ("http://other.example/", None),
        ] {
            assert_eq!(customer.cookies(&url(at)).as_deref(), expected, "{at}");
        }
        let removed = [
            "all=; Max-Age=0".to_owned(),
            "wide=8; Domain=shop.example; Path=/".to_owned(),
        ];
        customer.take(&removed, &url("https://www.shop.example/x"));
        let left = customer.cookies(&url("http://www.shop.example/"));
        assert_eq!(left.as_deref(), Some("wide=8"));
    }

    #[test]
    fn a_customer_who_takes_none_sends_none() {
        let customer = Customer::new(false);
        let url = Url::parse("http://shop/").unwrap();
        customer.take(&["a=1".to_owned()], &url);
        assert_eq!(customer.cookies(&url), None);
    }
}
