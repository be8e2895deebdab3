//! Collections: one page of them, or page by page the whole.

use std::sync::Arc;

use axum::http::StatusCode;
use ordershop_contract::payload;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::{GET_ENTITIES, GET_MAILS};
use ordershop_contract::topic::Topic;
use serde_json::value::RawValue;

use super::error::HttpError;
use super::paging::Page;
use super::reply::{self, Reply};
use super::shared::Shared;

/// One page of a collection, as the read model replies.
pub(super) async fn ask_for_page(
    shared: &Shared,
    topic: Topic,
    page: Page<'_>,
    at_least: &Positions,
    correlation_id: &str,
) -> Result<Box<RawValue>, HttpError> {
    let (to, name) = match topic {
        Topic::Mail => (GET_MAILS, None),
        topic => (GET_ENTITIES, Some(topic)),
    };
    let params = payload::PageOf {
        name,
        limit: page.limit,
        cursor: page.cursor,
    };
    shared
        .query(to, payload::message(params, at_least), correlation_id)
        .await
}

/// Reads a collection page by page, so that no query or reply grows with it.
pub(super) struct Pages {
    shared: Arc<Shared>,
    topic: Topic,
    page_max: usize,
    at_least: Positions,
    correlation_id: String,
    next: Next,
}

enum Next {
    First,
    After(String),
    End,
}

impl Pages {
    pub(super) fn new(
        shared: &Arc<Shared>,
        topic: Topic,
        page_max: usize,
        at_least: Positions,
        correlation_id: &str,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            topic,
            page_max,
            at_least,
            correlation_id: correlation_id.to_owned(),
            next: Next::First,
        }
    }

    /// Whether all pages have been read.
    pub(super) fn ended(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// The next page's items in JSON, separated by commas, without brackets; `None` at the end.
    ///
    /// # Errors
    /// The errors of a query; 502 for a cursor that doesn't move, which would never end.
    pub(super) async fn next(&mut self) -> Result<Option<String>, HttpError> {
        let cursor = match &self.next {
            Next::First => None,
            Next::After(cursor) => Some(cursor.as_str()),
            Next::End => return Ok(None),
        };
        let page = Page {
            limit: self.page_max,
            cursor,
        };
        let reply = ask_for_page(
            &self.shared,
            self.topic,
            page,
            &self.at_least,
            &self.correlation_id,
        )
        .await?;
        let reply = Reply::parse(&reply)?;
        let items = reply::items(reply.result()?)?.to_owned();
        if reply.cursor.is_some() && reply.cursor.as_deref() == cursor {
            return Err(HttpError::new(
                StatusCode::BAD_GATEWAY,
                "the read model answered with a page that has the previous page's cursor",
            ));
        }
        self.next = reply
            .cursor
            .map_or(Next::End, |cursor| Next::After(cursor.into_owned()));
        Ok(Some(items))
    }
}
