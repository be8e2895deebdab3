//! Read your own writes: remembers, by partition, the highest position that a command was answered with; later requests must see it. So they must
//! see what was answered or told before this gateway started. Must not know any query or command.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use futures_util::future::try_join_all;
use tokio::sync::SetOnce;

use ordershop_contract::event_store::{EventStore, EventStoreError};
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;

use super::error::HttpError;

/// The request header with which a client of several gateways passes one gateway's answered positions to another.
pub(super) const AT_LEAST: &str = "x-at-least";

/// The pause before the store is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// The highest position answered, by partition; shared by all clients of this gateway.
#[derive(Default)]
pub(super) struct AnsweredPositions {
    highest: Mutex<Positions>,
    has_begun: SetOnce<()>,
}

impl AnsweredPositions {
    /// Begins with the ends of all partitions: events before them may have been shown by whoever was here before. Asks the store until it says them.
    pub(super) async fn begin(&self, events: &dyn EventStore) {
        let ends = loop {
            let ends = events.partitions().all().map(|partition| async move {
                let end = events.last_position(partition).await?;
                Ok::<_, EventStoreError>((partition, end))
            });
            match try_join_all(ends).await {
                Ok(ends) => break ends,
                Err(error) => tracing::debug!(%error, "can't read where the topics end"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        for (partition, end) in ends {
            if end > Position::START {
                self.highest().raise(partition, end);
            }
        }
        // It is set here alone.
        let _ = self.has_begun.set(());
    }

    /// Waits until it has begun, `wait_max` at most. Answers whether it has.
    pub(super) async fn has_begun(&self, wait_max: Duration) -> bool {
        self.has_begun.initialized()
            || tokio::time::timeout(wait_max, self.has_begun.wait())
                .await
                .is_ok()
    }

    /// Remembers the positions that a command was answered with.
    pub(super) fn raise(&self, positions: &Positions) {
        self.highest().merge(positions);
    }

    fn highest(&self) -> MutexGuard<'_, Positions> {
        self.highest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The positions of `topics` that this gateway has answered.
    pub(super) fn of(&self, topics: &[Topic]) -> Positions {
        self.highest()
            .only(|partition| topics.contains(&partition.topic))
    }
}

/// The positions in a request's header.
///
/// # Errors
/// 400 for a malformed header, and for a partition that the shop doesn't have.
pub(super) fn asked(headers: &HeaderMap, partitions: Partitions) -> Result<Positions, HttpError> {
    let mut asked = Positions::NONE;
    for header in headers.get_all(AT_LEAST) {
        let text = header
            .to_str()
            .map_err(|_| HttpError::bad_request(format!("{AT_LEAST} is not plain text")))?;
        let positions: Positions = text
            .parse()
            .map_err(|error| HttpError::bad_request(format!("{AT_LEAST}: {error}")))?;
        asked.merge(&positions);
    }
    check(AT_LEAST, &asked, partitions)?;
    Ok(asked)
}

/// Refuses positions of partitions that the shop doesn't have.
///
/// # Errors
/// 400, with what is right.
pub(super) fn check(
    name: &str,
    positions: &Positions,
    partitions: Partitions,
) -> Result<(), HttpError> {
    let mut all = positions.iter();
    let checked = all.try_for_each(|(partition, _)| partitions.check(partition));
    checked.map_err(|error| HttpError::bad_request(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_the_highest_answered_position_of_its_topics() {
        let answered = AnsweredPositions::default();
        answered.raise(&"order=5-1,cart=9-0".parse().unwrap());
        answered.raise(&"order=4-0".parse().unwrap());
        let wanted = answered.of(&[Topic::Order, Topic::Mail]);
        assert_eq!(wanted.to_string(), "order=5-1");
    }

    #[test]
    fn a_header_is_read_and_one_that_cannot_be_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(AT_LEAST, "order=5-0,mail=2-0".parse().unwrap());
        assert_eq!(
            asked(&headers, Partitions::ONE).unwrap().to_string(),
            "order=5-0,mail=2-0"
        );
        headers.insert(AT_LEAST, "ordr=5-0".parse().unwrap());
        let error = asked(&headers, Partitions::ONE).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert!(error.message.contains("ordr"));
        headers.insert(AT_LEAST, "order.1=5-0".parse().unwrap());
        let error = asked(&headers, Partitions::ONE).unwrap_err();
        assert!(error.message.contains("order.1"), "{}", error.message);
        assert!(asked(&headers, Partitions::new(2).unwrap()).is_ok());
    }
}
