//! Routes: maps paths to routes, and routes to their methods. Pure; must not know what a route does.

use ordershop_contract::topic::{Topic, UnknownTopic};

use super::error::HttpError;
use super::page::Asset;
use super::paging::percent_decode;

/// Longest id, bytes after decoding.
pub(super) const ID_BYTES_MAX: usize = 200;

/// The route that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/order/{id}`
    Entity(Topic, String),
    /// `/order`
    Single(Topic),
    /// `/orders`
    Collection(Topic),
    /// `/orders/unbilled`
    Unbilled,
    /// `/orders/unshipped`
    Unshipped,
    /// `/orders/delivered`
    Delivered,
    /// `/mails/sent`
    MailsSent,
    /// `/report`
    Report,
    /// `/report/orders`
    OrderReport,
    /// `/events`
    Events,
    /// `/events/order`
    EventPage(Topic),
    /// `/health`
    Health,
    /// `/metrics`
    Metrics,
    /// `/` and the page's files.
    Page(Asset),
}

/// How many values [`Route::index`] has; the last one stands for unknown paths.
pub(super) const ROUTES: usize = 3 * Topic::ALL.len() + 12;

/// The index of paths that aren't a route.
pub(super) const UNKNOWN: usize = ROUTES - 1;

/// The list of routes that a 404 shows.
pub(super) const WHAT_THERE_IS: &str = "the routes are GET, PUT, DELETE /{entity}/{id}, POST /{entity}, GET and POST /{entities} for \
     customer(s), product(s), inventory (inventories), cart(s), order(s), billing(s), shipping(s), and \
     GET /orders/unbilled, /orders/unshipped, /orders/delivered, /mails/sent, /report, /report/orders, \
     /events (WebSocket), /events/{topic}, /health, /metrics, /";

impl Route {
    /// The route of a path.
    ///
    /// # Errors
    /// 404 for an unknown path, 400 for an id that is too long or badly encoded.
    pub(super) fn resolve(path: &str) -> Result<Self, HttpError> {
        let unknown = || HttpError::not_found(format!("no such route: {path:?}; {WHAT_THERE_IS}"));
        let rest = path.strip_prefix('/').ok_or_else(unknown)?;
        let Some((first, second)) = rest.split_once('/') else {
            return Self::of_one_segment(rest).ok_or_else(unknown);
        };
        if let Some(topic) = entity(first, Topic::name) {
            if second.is_empty() || second.contains('/') {
                return Err(unknown());
            }
            return Ok(Self::Entity(topic, entity_id(second)?));
        }
        match (first, second) {
            ("orders", "unbilled") => Ok(Self::Unbilled),
            ("orders", "unshipped") => Ok(Self::Unshipped),
            ("orders", "delivered") => Ok(Self::Delivered),
            ("mails", "sent") => Ok(Self::MailsSent),
            ("report", "orders") => Ok(Self::OrderReport),
            ("events", name) => name
                .parse()
                .map(Self::EventPage)
                .map_err(|error: UnknownTopic| HttpError::not_found(error.to_string())),
            ("page", name) => Asset::named(name).map(Self::Page).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    fn of_one_segment(segment: &str) -> Option<Self> {
        Some(match segment {
            "" => Self::Page(Asset::Index),
            "report" => Self::Report,
            "events" => Self::Events,
            "health" => Self::Health,
            "metrics" => Self::Metrics,
            _ => {
                return entity(segment, Topic::name)
                    .map(Self::Single)
                    .or_else(|| entity(segment, Topic::plural).map(Self::Collection));
            }
        })
    }

    /// The route's methods, as in the `Allow` header.
    pub(super) const fn allow(&self) -> &'static str {
        match self {
            Self::Entity(..) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::Single(_) => "POST, OPTIONS",
            Self::Collection(_) => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// A number below [`ROUTES`], the same for all ids; indexes tables with one slot per route.
    pub(super) const fn index(&self) -> usize {
        let topics = Topic::ALL.len();
        match self {
            Self::Entity(topic, _) => topic.index(),
            Self::Single(topic) => topics + topic.index(),
            Self::Collection(topic) => 2 * topics + topic.index(),
            Self::Unbilled => 3 * topics,
            Self::Unshipped => 3 * topics + 1,
            Self::Delivered => 3 * topics + 2,
            Self::MailsSent => 3 * topics + 3,
            Self::Report => 3 * topics + 4,
            Self::OrderReport => 3 * topics + 5,
            Self::Events => 3 * topics + 6,
            Self::Health => 3 * topics + 7,
            Self::Metrics => 3 * topics + 8,
            Self::Page(_) => 3 * topics + 9,
            Self::EventPage(_) => 3 * topics + 10,
        }
    }
}

/// The pattern of each [`Route::index`]: the route's name in metrics.
pub(super) const PATTERNS: [&str; ROUTES] = [
    "/customer/{id}",
    "/product/{id}",
    "/inventory/{id}",
    "/cart/{id}",
    "/order/{id}",
    "/billing/{id}",
    "/shipping/{id}",
    "/mail/{id}",
    "/customer",
    "/product",
    "/inventory",
    "/cart",
    "/order",
    "/billing",
    "/shipping",
    "/mail",
    "/customers",
    "/products",
    "/inventories",
    "/carts",
    "/orders",
    "/billings",
    "/shippings",
    "/mails",
    "/orders/unbilled",
    "/orders/unshipped",
    "/orders/delivered",
    "/mails/sent",
    "/report",
    "/report/orders",
    "/events",
    "/health",
    "/metrics",
    "/",
    "/events/{topic}",
    "unknown",
];

/// The topic with this name, except mails: clients can't read or write a single mail.
fn entity(name: &str, name_of: fn(Topic) -> &'static str) -> Option<Topic> {
    Topic::ALL
        .into_iter()
        .find(|topic| name_of(*topic) == name && *topic != Topic::Mail)
}

fn entity_id(segment: &str) -> Result<String, HttpError> {
    let id = percent_decode(segment, false).ok_or_else(|| {
        HttpError::bad_request(format!("{segment:?} is not percent-encoded UTF-8"))
    })?;
    if id.len() > ID_BYTES_MAX {
        return Err(HttpError::bad_request(format!(
            "the id is too long: it may have {ID_BYTES_MAX} bytes and has {}",
            id.len()
        )));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
    use super::*;

    #[test]
    fn every_documented_path_is_its_route() {
        for topic in Topic::ALL.into_iter().filter(|t| *t != Topic::Mail) {
            let one = format!("/{}/a%2Fb-1", topic.name());
            assert_eq!(
                Route::resolve(&one).unwrap(),
                Route::Entity(topic, "a/b-1".into())
            );
            let single = format!("/{}", topic.name());
            assert_eq!(Route::resolve(&single).unwrap(), Route::Single(topic));
            let plural = format!("/{}", topic.plural());
            assert_eq!(Route::resolve(&plural).unwrap(), Route::Collection(topic));
        }
        let others = [
            ("/orders/unbilled", Route::Unbilled),
            ("/orders/unshipped", Route::Unshipped),
            ("/orders/delivered", Route::Delivered),
            ("/mails/sent", Route::MailsSent),
            ("/report", Route::Report),
            ("/report/orders", Route::OrderReport),
            ("/events", Route::Events),
            ("/events/mail", Route::EventPage(Topic::Mail)),
            ("/health", Route::Health),
            ("/metrics", Route::Metrics),
            ("/", Route::Page(Asset::Index)),
        ];
        for (path, route) in others {
            assert_eq!(Route::resolve(path).unwrap(), route, "{path}");
        }
    }

    #[test]
    fn every_route_is_counted_under_its_own_pattern() {
        let mut paths: Vec<String> = Topic::ALL
            .into_iter()
            .filter(|topic| *topic != Topic::Mail)
            .flat_map(|t| {
                [
                    format!("/{t}/{{id}}"),
                    format!("/{t}"),
                    format!("/{}", t.plural()),
                ]
            })
            .collect();
        paths.extend(
            PATTERNS[24..UNKNOWN]
                .iter()
                .map(|pattern| pattern.replace("{topic}", "order")),
        );
        for path in paths {
            let pattern = PATTERNS[Route::resolve(&path).unwrap().index()];
            assert_eq!(pattern.replace("{topic}", "order"), path);
        }
    }

    #[test]
    fn unknown_paths_are_answered_with_what_there_is() {
        for path in [
            "/nope",
            "/order/",
            "/order/1/2",
            "/orders/lost",
            "/mails",
            "/mail/1",
            "/page/x",
            "*",
            "/orders/",
        ] {
            let error = Route::resolve(path).unwrap_err();
            assert_eq!(error.status.as_u16(), 404, "{path}");
            assert!(error.message.contains("/report/orders"), "{path}");
        }
    }

    #[test]
    fn ids_that_are_too_long_or_no_text_are_refused() {
        for path in [
            format!("/order/{}", "x".repeat(201)),
            "/order/%ff".into(),
            "/order/%2".into(),
        ] {
            assert_eq!(
                Route::resolve(&path).unwrap_err().status.as_u16(),
                400,
                "{path}"
            );
        }
        assert!(Route::resolve(&format!("/order/{}", "x".repeat(200))).is_ok());
    }
}
