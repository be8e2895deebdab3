//! Read your own writes: remembers, by topic, the highest position that a command was answered with; later requests must see it.
//! Must not know any query or command.

use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;

use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use super::error::HttpError;

/// The request header with which a client of several gateways passes one gateway's answered positions to another.
pub(super) const AT_LEAST: &str = "x-at-least";

/// The highest position answered, by topic; shared by all clients of this gateway.
#[derive(Default)]
pub(super) struct AnsweredPositions(Mutex<Positions>);

impl AnsweredPositions {
    /// Remembers the positions that a command was answered with.
    pub(super) fn raise(&self, positions: &Positions) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(positions);
    }

    /// The positions that a request about `topics` must see: those that this gateway has answered, and those in the request's header.
    ///
    /// # Errors
    /// 400 for a malformed header.
    pub(super) fn at_least(
        &self,
        topics: &[Topic],
        headers: &HeaderMap,
    ) -> Result<Positions, HttpError> {
        let mut wanted = Positions::NONE;
        {
            let answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for topic in topics {
                if let Some(position) = answered.get(*topic) {
                    wanted.raise(*topic, position);
                }
            }
        }
        for header in headers.get_all(AT_LEAST) {
            let text = header
                .to_str()
                .map_err(|_| HttpError::bad_request(format!("{AT_LEAST} is not plain text")))?;
            let asked: Positions = text
                .parse()
                .map_err(|error| HttpError::bad_request(format!("{AT_LEAST}: {error}")))?;
            wanted.merge(&asked);
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_the_highest_answered_position_of_its_topics_and_the_headers() {
        let answered = AnsweredPositions::default();
        answered.raise(&"order=5-1,cart=9-0".parse().unwrap());
        answered.raise(&"order=4-0".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(AT_LEAST, "order=5-0,mail=2-0".parse().unwrap());
        let wanted = answered.at_least(&[Topic::Order], &headers).unwrap();
        assert_eq!(wanted.to_string(), "order=5-1,mail=2-0");
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(AT_LEAST, "ordr=5-0".parse().unwrap());
        let error = AnsweredPositions::default()
            .at_least(&[], &headers)
            .unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert!(error.message.contains("ordr"));
    }
}
