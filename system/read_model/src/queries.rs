//! The read model's functions on the queue. A query that asks for a position waits for it, with a limit; the rest of its batch isn't
//! delayed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::applied_positions::{AppliedPositions, WAIT_MS_MAX};
use super::keys::Collection;
use super::lookup::answer_all;
use super::query::{Choice, Lookup, Query, page_limit, parse, parse_lookup};
use super::store::ReadStore;
use super::{lookup, order_report, orders, pages};
use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};
use ordershop_contract::payload::{PAGE_ENTITIES_MAX, PAGE_ORDERS_MAX};
use ordershop_contract::position::{Positions, Projected};
use ordershop_contract::queue_names as names;
use ordershop_contract::reply::{ReplyStatus, error_reply};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::json;
use ordershop_contract::worker::QueueHandler;

/// `get_positions` answers after this time even if no position changed.
const POSITIONS_WAIT_MS: u64 = 500;

/// The handler of the read model's queries.
pub(super) struct Queries {
    pub(super) store: ReadStore,
    pub(super) applied: AppliedPositions,
    pub(super) events: Arc<dyn EventStore>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParams {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionParams {
    #[serde(default)]
    after: Positions,
}

#[derive(Serialize)]
struct PositionsReply {
    result: Positions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    batches: Vec<Projected>,
}

#[async_trait]
impl QueueHandler for Queries {
    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        let replies = if queue == names::GET_ENTITY || queue == names::GET_ENTITIES {
            self.lookups(batch, queue == names::GET_ENTITY).await
        } else {
            join_all(
                batch
                    .iter()
                    .map(|delivery| self.other(queue, &delivery.payload)),
            )
            .await
        };
        replies.into_iter().map(Answer::Reply).collect()
    }
}

impl Queries {
    async fn lookups(&self, batch: &[Delivery], single: bool) -> Vec<Box<RawValue>> {
        let mut replies: Vec<Option<Box<RawValue>>> = vec![None; batch.len()];
        let (mut places, mut lookups, mut wanted) = (Vec::new(), Vec::new(), Positions::NONE);
        for (place, delivery) in batch.iter().enumerate() {
            match parse_lookup(&delivery.payload, single) {
                Ok(lookup) => {
                    wanted.merge(&lookup.at_least);
                    places.push(place);
                    lookups.push(lookup);
                }
                Err(bad) => replies[place] = Some(bad),
            }
        }
        let found = match self.caught_up(&wanted).await {
            Ok(()) => self.look_up_again(&wanted, &lookups).await,
            Err(behind) => vec![behind; lookups.len()],
        };
        for (place, reply) in places.into_iter().zip(found) {
            replies[place] = Some(reply);
        }
        replies
            .into_iter()
            .map(|reply| {
                reply.unwrap_or_else(|| {
                    error_reply("the query was not answered", ReplyStatus::Failed)
                })
            })
            .collect()
    }

    /// Looks up; once more if Redis went back meanwhile, after waiting for the positions again.
    async fn look_up_again(&self, wanted: &Positions, lookups: &[Lookup]) -> Vec<Box<RawValue>> {
        let before = self.applied.now();
        let found = self.look_up(lookups).await;
        if !self.applied.fell_below(&before) {
            return found;
        }
        match self.caught_up(wanted).await {
            Ok(()) => self.look_up(lookups).await,
            Err(behind) => vec![behind; lookups.len()],
        }
    }

    async fn look_up(&self, lookups: &[Lookup]) -> Vec<Box<RawValue>> {
        match answer_all(&self.store, lookups).await {
            Ok(found) => found,
            Err(error) => vec![unavailable(&error); lookups.len()],
        }
    }

    /// Waits for the positions; an error reply if they are not reached in time.
    async fn caught_up(&self, wanted: &Positions) -> Result<(), Box<RawValue>> {
        match self.applied.wait(wanted, &*self.events).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(error_reply(
                &format!(
                    "the read model is behind: {wanted} was not applied within {WAIT_MS_MAX} ms; try again"
                ),
                ReplyStatus::Unavailable,
            )),
            Err(error) => Err(error_reply(&error.to_string(), ReplyStatus::Unavailable)),
        }
    }

    async fn other(&self, queue: QueueName, payload: &RawValue) -> Box<RawValue> {
        let reply = if queue == names::GET_POSITIONS {
            self.positions(payload).await
        } else if queue == names::GET_MAILS {
            self.mails(payload).await
        } else if queue == names::GET_ORDER_REPORT {
            self.order_report(payload).await
        } else if queue == names::GET_UNBILLED_ORDERS {
            self.orders_without(payload, Topic::Billing).await
        } else if queue == names::GET_UNSHIPPED_ORDERS {
            self.orders_without(payload, Topic::Shipping).await
        } else {
            self.delivered(payload).await
        };
        reply.unwrap_or_else(|error| error)
    }

    async fn positions(&self, payload: &RawValue) -> Result<Box<RawValue>, Box<RawValue>> {
        let query: Query<PositionParams> = parse(payload)?;
        let wait_max = Duration::from_millis(POSITIONS_WAIT_MS);
        let after = &query.params.after;
        let result = self.applied.wait_beyond(after, wait_max).await;
        let mut batches = self.applied.batches_beyond(after);
        // Batches that were applied meanwhile are returned together with their positions.
        batches.retain(|batch| result.get(batch.topic) >= Some(batch.to));
        Ok(json(&PositionsReply { result, batches }))
    }

    async fn mails(&self, payload: &RawValue) -> Result<Box<RawValue>, Box<RawValue>> {
        let query: Query<PageParams> = parse(payload)?;
        let collection = Collection::Entities(Topic::Mail);
        let (limit, after) = (query.params.limit, query.params.cursor);
        let page_max = page_limit(limit, PAGE_ENTITIES_MAX)?;
        self.caught_up(&query.at_least).await?;
        if limit.is_none() && after.is_none() {
            let all = pages::all(&self.store, collection)
                .await
                .map_err(|error| unavailable(&error))?;
            return Ok(lookup::many(all.iter().map(Some), false, None));
        }
        let page = Lookup {
            collection,
            choice: Choice::Page {
                limit: page_max,
                after,
            },
            single: false,
            versions: false,
            at_least: Positions::NONE,
        };
        Ok(self
            .look_up(std::slice::from_ref(&page))
            .await
            .swap_remove(0))
    }

    async fn order_report(&self, payload: &RawValue) -> Result<Box<RawValue>, Box<RawValue>> {
        let Query { params, at_least } = parse::<PageParams>(payload)?;
        let limit = page_limit(params.limit, PAGE_ORDERS_MAX)?;
        self.caught_up(&at_least).await?;
        order_report::page(&self.store, limit, params.cursor.as_deref())
            .await
            .map_err(|error| unavailable(&error))
    }

    async fn orders_without(
        &self,
        payload: &RawValue,
        partner: Topic,
    ) -> Result<Box<RawValue>, Box<RawValue>> {
        let query: Query<NoParams> = parse(payload)?;
        self.caught_up(&query.at_least).await?;
        orders::without(&self.store, partner)
            .await
            .map_err(|error| unavailable(&error))
    }

    async fn delivered(&self, payload: &RawValue) -> Result<Box<RawValue>, Box<RawValue>> {
        let query: Query<NoParams> = parse(payload)?;
        self.caught_up(&query.at_least).await?;
        orders::delivered(&self.store)
            .await
            .map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &redis::RedisError) -> Box<RawValue> {
    error_reply(
        &format!("the read model's cache is not available: {error}"),
        ReplyStatus::Unavailable,
    )
}
