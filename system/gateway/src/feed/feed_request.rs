//! What a client of the feed wants to hear.

use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use crate::answered_positions;
use crate::error::HttpError;
use crate::paging::QueryString;

/// What a client subscribes to.
#[derive(Debug)]
pub(super) struct FeedRequest {
    /// By [`Topic::index`].
    pub(super) topics: [bool; Topic::ALL.len()],
    /// Start after these positions; partitions without one start now.
    pub(super) after: Positions,
    /// Send only sampled requests' events, and when the read model applied them instead of its progress.
    pub(super) sampled: bool,
}

impl FeedRequest {
    pub(super) fn parse(query: Option<&str>, partitions: Partitions) -> Result<Self, HttpError> {
        let query = QueryString::parse(query, &["topics", "after", "sampled"])?;
        let bad = |name: &str, error: &dyn std::fmt::Display| {
            HttpError::bad_request(format!("{name}: {error}"))
        };
        let mut topics = [query.get("topics").is_none(); Topic::ALL.len()];
        for name in query.get("topics").unwrap_or_default().split(',') {
            if !name.is_empty() {
                let topic: Topic = name.trim().parse().map_err(|error| bad("topics", &error))?;
                topics[topic.index()] = true;
            }
        }
        if topics.iter().all(|wanted| !wanted) {
            return Err(HttpError::bad_request("name at least one topic in topics"));
        }
        let after: Positions = query
            .get("after")
            .unwrap_or_default()
            .parse()
            .map_err(|error| bad("after", &error))?;
        answered_positions::check("after", &after, partitions)?;
        let sampled = match query.get("sampled") {
            None | Some("false") => false,
            Some("true") if after.is_empty() => true,
            Some("true") => return Err(bad("sampled", &"it starts now; leave out `after`")),
            Some(other) => {
                return Err(bad(
                    "sampled",
                    &format!("`{other}` is unknown; use true or false"),
                ));
            }
        };
        Ok(Self {
            topics,
            after,
            sampled,
        })
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = Topic> + '_ {
        Topic::ALL
            .into_iter()
            .filter(|topic| self.topics[topic.index()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_topics_and_where_to_start() {
        let wanted = FeedRequest::parse(
            Some("topics=order,shipping&after=order%3D5-3"),
            Partitions::ONE,
        )
        .unwrap();
        let topics: Vec<Topic> = wanted.topics().collect();
        assert_eq!(topics, [Topic::Order, Topic::Shipping]);
        assert_eq!(wanted.after.to_string(), "order=5-3");
        assert_eq!(
            FeedRequest::parse(None, Partitions::ONE)
                .unwrap()
                .topics()
                .count(),
            8
        );
        for bad in [
            "topics=",
            "topics=orders",
            "after=order",
            "after=order.1%3D5-3",
            "topic=order",
            "sampled=1",
            "sampled=true&after=order%3D5-3",
        ] {
            assert!(
                FeedRequest::parse(Some(bad), Partitions::ONE).is_err(),
                "{bad}"
            );
        }
    }
}
