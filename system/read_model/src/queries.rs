//! The read model's functions on the queue. A query that asks for a position waits for it, with a limit: a moment with its batch, then back
//! in the queue, so that a topic that is behind delays no queries of others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::applied_positions::AppliedPositions;
use super::keys::Collection;
use super::lookup::answer_all;
use super::query::{Choice, Lookup, Query, page_limit, parse, parse_lookup};
use super::store::ReadStore;
use super::topics_behind::TopicsBehind;
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

/// How long a batch waits at most for the positions that its queries ask for, ms: longer than a projection mostly takes.
const BATCH_WAIT_MS_MAX: u64 = 50;
/// How often a query goes back to the queue for its positions. With the queue's pauses that takes about 3.5 s: longer than a killed
/// projector's lease, shorter than callers wait.
const RETURNS_MAX: u32 = 6;
/// `get_positions` answers after this time even if no position changed.
const POSITIONS_WAIT_MS: u64 = 500;

/// The handler of the read model's queries.
pub(super) struct Queries {
    pub(super) store: ReadStore,
    pub(super) applied: AppliedPositions,
    pub(super) behind: TopicsBehind,
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
        if queue == names::GET_ENTITY || queue == names::GET_ENTITIES {
            return self.lookups(batch, queue == names::GET_ENTITY).await;
        }
        let answers = batch.iter().map(async |delivery| {
            let reply = self.other(queue, delivery).await;
            reply.map_or_else(|unanswered| unanswered, Answer::Reply)
        });
        join_all(answers).await
    }
}

impl Queries {
    async fn lookups(&self, batch: &[Delivery], single: bool) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = vec![None; batch.len()];
        let (mut ready, mut waiting, mut wanted) = (Vec::new(), Vec::new(), Positions::NONE);
        for (place, delivery) in batch.iter().enumerate() {
            match parse_lookup(&delivery.payload, single) {
                Ok(lookup) if self.applied.missing(&lookup.at_least).next().is_none() => {
                    ready.push((place, lookup));
                }
                Ok(lookup) if self.is_behind(&lookup.at_least) => {
                    answers[place] = Some(later(delivery, &lookup.at_least));
                }
                Ok(lookup) => {
                    wanted.merge(&lookup.at_least);
                    waiting.push((place, lookup));
                }
                Err(bad) => answers[place] = Some(Answer::Reply(bad)),
            }
        }
        if !waiting.is_empty() {
            match self.caught_up(&wanted).await {
                Ok(behind) => {
                    for (place, lookup) in waiting {
                        let mut missing = self.applied.missing(&lookup.at_least);
                        if missing.any(|(topic, _)| behind.contains(&topic)) {
                            answers[place] = Some(later(&batch[place], &lookup.at_least));
                        } else {
                            ready.push((place, lookup));
                        }
                    }
                }
                Err(away) => {
                    for (place, _) in waiting {
                        answers[place] = Some(Answer::Reply(away.clone()));
                    }
                }
            }
        }
        let before = self.applied.now();
        let (places, lookups): (Vec<usize>, Vec<Lookup>) = ready.into_iter().unzip();
        let found = self.look_up(&lookups).await;
        let went_back = self.applied.fell_below(&before);
        for ((place, lookup), reply) in places.into_iter().zip(&lookups).zip(found) {
            // What was looked up while Redis went back may be older than what was asked for.
            answers[place] = Some(if went_back {
                later(&batch[place], &lookup.at_least)
            } else {
                Answer::Reply(reply)
            });
        }
        let unanswered = || {
            let text = "the query was not answered";
            Answer::Reply(error_reply(text, ReplyStatus::Failed))
        };
        let answers = answers.into_iter();
        answers
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect()
    }

    async fn look_up(&self, lookups: &[Lookup]) -> Vec<Box<RawValue>> {
        match answer_all(&self.store, lookups).await {
            Ok(found) => found,
            Err(error) => vec![unavailable(&error); lookups.len()],
        }
    }

    /// Waits a moment for the positions; returns the topics that are still behind.
    async fn caught_up(&self, wanted: &Positions) -> Result<Vec<Topic>, Box<RawValue>> {
        let wait_max = Duration::from_millis(BATCH_WAIT_MS_MAX);
        let waited = self.applied.wait(wanted, wait_max, &*self.events).await;
        let behind =
            waited.map_err(|error| error_reply(&error.to_string(), ReplyStatus::Unavailable))?;
        if !behind.is_empty() {
            self.behind.found(behind.iter().copied(), Instant::now());
        }
        Ok(behind)
    }

    /// Whether waiting for the positions is in vain for the moment.
    fn is_behind(&self, wanted: &Positions) -> bool {
        let missing = self.applied.missing(wanted).map(|(topic, _)| topic);
        self.behind.has(missing, Instant::now())
    }

    /// Waits a moment for the positions that a query asks for.
    async fn applied(&self, delivery: &Delivery, wanted: &Positions) -> Result<(), Answer> {
        if self.applied.missing(wanted).next().is_none() {
            return Ok(());
        }
        let caught_up = !self.is_behind(wanted)
            && (self.caught_up(wanted).await)
                .map_err(Answer::Reply)?
                .is_empty();
        if caught_up {
            return Ok(());
        }
        Err(later(delivery, wanted))
    }

    /// The reply to a query of any other kind, or the answer that there is none now.
    async fn other(&self, queue: QueueName, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        if queue == names::GET_POSITIONS {
            self.positions(delivery).await
        } else if queue == names::GET_MAILS {
            self.mails(delivery).await
        } else if queue == names::GET_ORDER_REPORT {
            self.order_report(delivery).await
        } else if queue == names::GET_UNBILLED_ORDERS {
            self.orders_without(delivery, Topic::Billing).await
        } else if queue == names::GET_UNSHIPPED_ORDERS {
            self.orders_without(delivery, Topic::Shipping).await
        } else {
            self.delivered(delivery).await
        }
    }

    async fn positions(&self, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        let query: Query<PositionParams> = parse(&delivery.payload).map_err(Answer::Reply)?;
        let wait_max = Duration::from_millis(POSITIONS_WAIT_MS);
        let after = &query.params.after;
        let result = self.applied.wait_beyond(after, wait_max).await;
        let mut batches = self.applied.batches_beyond(after);
        // Batches that were applied meanwhile are returned together with their positions.
        batches.retain(|batch| result.get(batch.topic) >= Some(batch.to));
        Ok(json(&PositionsReply { result, batches }))
    }

    async fn mails(&self, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        let query: Query<PageParams> = parse(&delivery.payload).map_err(Answer::Reply)?;
        let collection = Collection::Entities(Topic::Mail);
        let (limit, after) = (query.params.limit, query.params.cursor);
        let page_max = page_limit(limit, PAGE_ENTITIES_MAX).map_err(Answer::Reply)?;
        self.applied(delivery, &query.at_least).await?;
        if limit.is_none() && after.is_none() {
            let all = pages::all(&self.store, collection)
                .await
                .map_err(|error| Answer::Reply(unavailable(&error)))?;
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

    async fn order_report(&self, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        let Query { params, at_least } =
            parse::<PageParams>(&delivery.payload).map_err(Answer::Reply)?;
        let limit = page_limit(params.limit, PAGE_ORDERS_MAX).map_err(Answer::Reply)?;
        self.applied(delivery, &at_least).await?;
        order_report::page(&self.store, limit, params.cursor.as_deref())
            .await
            .map_err(|error| Answer::Reply(unavailable(&error)))
    }

    async fn orders_without(
        &self,
        delivery: &Delivery,
        partner: Topic,
    ) -> Result<Box<RawValue>, Answer> {
        let query: Query<NoParams> = parse(&delivery.payload).map_err(Answer::Reply)?;
        self.applied(delivery, &query.at_least).await?;
        orders::without(&self.store, partner)
            .await
            .map_err(|error| Answer::Reply(unavailable(&error)))
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        let query: Query<NoParams> = parse(&delivery.payload).map_err(Answer::Reply)?;
        self.applied(delivery, &query.at_least).await?;
        orders::delivered(&self.store)
            .await
            .map_err(|error| Answer::Reply(unavailable(&error)))
    }
}

/// The answer to a query whose positions are not applied yet: it comes again after a pause, until its time is over.
fn later(delivery: &Delivery, wanted: &Positions) -> Answer {
    if delivery.redeliveries < RETURNS_MAX {
        return Answer::Retry(format!("{wanted} is not applied yet"));
    }
    let text = format!("the read model is behind: {wanted} was not applied in time; try again");
    Answer::Reply(error_reply(&text, ReplyStatus::Unavailable))
}

fn unavailable(error: &redis::RedisError) -> Box<RawValue> {
    error_reply(
        &format!("the read model's cache is not available: {error}"),
        ReplyStatus::Unavailable,
    )
}
