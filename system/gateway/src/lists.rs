//! The lists that the read model answers: one page of them, or page by page the whole.

use std::sync::Arc;

use axum::http::StatusCode;
use ordershop_contract::message_queue::QueueName;
use ordershop_contract::payload::{self, PAGE_ENTITIES_MAX, PAGE_ORDERS_MAX};
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::{GET_ENTITIES, GET_MAILS, GET_ORDER_REPORT};
use ordershop_contract::topic::Topic;
use serde_json::value::RawValue;

use super::error::HttpError;
use super::paging::PageRequest;
use super::service_reply::{self, ServiceReply};
use super::state::GatewayState;

/// The topics that a joined order is made of.
const JOINED: [Topic; 6] = [
    Topic::Order,
    Topic::Cart,
    Topic::Customer,
    Topic::Product,
    Topic::Billing,
    Topic::Shipping,
];

/// A list.
#[derive(Clone, Copy)]
pub(super) enum List {
    /// The entities of a topic.
    Entities(Topic),
    /// The mails sent.
    Mails,
    /// The orders, each joined with what belongs to it.
    OrderReport,
}

impl List {
    /// The topics that it is made of.
    pub(super) fn topics(&self) -> &[Topic] {
        match self {
            Self::Entities(topic) => std::slice::from_ref(topic),
            Self::Mails => &[Topic::Mail],
            Self::OrderReport => &JOINED,
        }
    }

    /// The most items in a page.
    pub(super) const fn page_max(self) -> usize {
        match self {
            Self::Entities(_) | Self::Mails => PAGE_ENTITIES_MAX,
            Self::OrderReport => PAGE_ORDERS_MAX,
        }
    }

    const fn function(self) -> (QueueName, Option<Topic>) {
        match self {
            Self::Entities(topic) => (GET_ENTITIES, Some(topic)),
            Self::Mails => (GET_MAILS, None),
            Self::OrderReport => (GET_ORDER_REPORT, None),
        }
    }

    /// One page, as the read model replies.
    pub(super) async fn page(
        self,
        state: &GatewayState,
        page: PageRequest<'_>,
        at_least: &Positions,
        correlation_id: &str,
    ) -> Result<Box<RawValue>, HttpError> {
        let (to, name) = self.function();
        let params = payload::PageOf {
            name,
            limit: page.limit,
            cursor: page.cursor,
        };
        let payload = payload::message(params, at_least);
        state.query(to, payload, correlation_id).await
    }
}

/// Reads a list page by page, so that no query or reply grows with it.
pub(super) struct ListPages {
    state: Arc<GatewayState>,
    list: List,
    at_least: Positions,
    correlation_id: String,
    next: NextPage,
}

enum NextPage {
    First,
    After(String),
    End,
}

impl ListPages {
    pub(super) fn new(
        state: &Arc<GatewayState>,
        list: List,
        at_least: Positions,
        correlation_id: &str,
    ) -> Self {
        Self {
            state: Arc::clone(state),
            list,
            at_least,
            correlation_id: correlation_id.to_owned(),
            next: NextPage::First,
        }
    }

    /// Whether all pages have been read.
    pub(super) fn ended(&self) -> bool {
        matches!(self.next, NextPage::End)
    }

    /// The next page's items in JSON, separated by commas, without brackets; `None` at the end.
    ///
    /// # Errors
    /// The errors of a query; 502 for a cursor that doesn't move, which would never end.
    pub(super) async fn next(&mut self) -> Result<Option<String>, HttpError> {
        let cursor = match &self.next {
            NextPage::First => None,
            NextPage::After(cursor) => Some(cursor.as_str()),
            NextPage::End => return Ok(None),
        };
        let page = PageRequest {
            limit: self.list.page_max(),
            cursor,
        };
        let reply = self
            .list
            .page(&self.state, page, &self.at_least, &self.correlation_id)
            .await?;
        let reply = ServiceReply::parse(&reply)?;
        let items = service_reply::items(reply.result()?)?.to_owned();
        if reply.cursor.is_some() && reply.cursor.as_deref() == cursor {
            return Err(HttpError::new(
                StatusCode::BAD_GATEWAY,
                "the read model answered with a page that has the previous page's cursor",
            ));
        }
        self.next = reply
            .cursor
            .map_or(NextPage::End, |cursor| NextPage::After(cursor.into_owned()));
        Ok(Some(items))
    }
}
