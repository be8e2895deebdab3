//! The read model's functions on the queue. A query that asks for a position waits for it, with a limit: a moment with its batch, then back
//! in the queue, so that a topic that is behind delays no queries of others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::applied_positions::AppliedPositions;
use super::keys::Collection;
use super::lookup::answer_all;
use super::partitions_behind::PartitionsBehind;
use super::query::{
    BadQuery, Choice, Form, Lookup, Query, Question, page_limit, parse, parse_entities, parse_facts,
};
use super::store::ReadStore;
use super::{lookup, order_report, orders, pages};
use ordershop_contract::event_store::EventStore;
use ordershop_contract::message_queue::{Answer, Delivery, QueueName};
use ordershop_contract::partition::Partition;
use ordershop_contract::payload::{PAGE_ENTITIES_MAX, PAGE_ORDERS_MAX};
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names as names;
use ordershop_contract::reply::{ReplyStatus, error_reply};
use ordershop_contract::topic::Topic;
use ordershop_contract::worker::QueueHandler;

/// How long a batch waits at most for the positions that its queries ask for, ms: longer than a projection mostly takes.
const BATCH_WAIT_MS_MAX: u64 = 50;
/// How long it waits at most for projections that go on meanwhile, ms: under load they are late, and coming back would cost more than waiting.
const PROGRESS_WAIT_MS_MAX: u64 = 500;
/// How often a query goes back to the queue for its positions. With the queue's pauses that takes about 3.5 s: longer than a killed
/// projector's lease, shorter than callers wait.
const RETURNS_MAX: u32 = 6;

/// Why a query that was looked up is not answered.
const WENT_BACK: &str = "what was applied went back meanwhile";

/// The handler of the read model's queries.
pub(super) struct Queries {
    pub(super) store: ReadStore,
    pub(super) applied: AppliedPositions,
    pub(super) behind: PartitionsBehind,
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

#[async_trait]
impl QueueHandler for Queries {
    /// A query that came back was not begun.
    fn carries_on(&self) -> bool {
        false
    }

    async fn handle(&self, queue: QueueName, batch: &[Delivery]) -> Vec<Answer> {
        // Before any position is looked at: what falls while some of the batch are waited for may be what others rely on.
        let falls = self.store.falls();
        let found = if queue == names::GET_FACTS {
            self.questions(batch, parse_facts).await
        } else if queue == names::GET_ENTITY || queue == names::GET_ENTITIES {
            let parse = |payload: &_| parse_entities(payload, queue == names::GET_ENTITY);
            self.questions(batch, parse).await
        } else {
            let others = batch.iter().map(|delivery| self.other(queue, delivery));
            join_all(others).await
        };
        let went_back = self.store.falls() != falls;
        let answers = batch.iter().zip(found);
        answers
            .map(|(delivery, found)| match found {
                // What was looked up meanwhile may be older than what was asked for.
                Ok(_) if went_back => later(delivery, WENT_BACK),
                Ok(reply) => Answer::Reply(reply),
                Err(unanswered) => unanswered,
            })
            .collect()
    }
}

impl Queries {
    /// What is found for questions that are looked up together, or the answers that there is none now.
    async fn questions(
        &self,
        batch: &[Delivery],
        parse: impl Fn(&RawValue) -> Result<Question, BadQuery>,
    ) -> Vec<Result<Box<RawValue>, Answer>> {
        let mut answers: Vec<Option<Result<_, Answer>>> = vec![None; batch.len()];
        let (mut ready, mut waiting, mut wanted) = (Vec::new(), Vec::new(), Positions::NONE);
        for (place, delivery) in batch.iter().enumerate() {
            match parse(&delivery.payload) {
                Ok(question) if self.applied.missing(&question.at_least).next().is_none() => {
                    ready.push((place, question));
                }
                Ok(question) if self.is_behind(&question.at_least) => {
                    answers[place] = Some(Err(later(delivery, &behind(&question.at_least))));
                }
                Ok(question) => {
                    wanted.merge(&question.at_least);
                    waiting.push((place, question));
                }
                Err(bad) => answers[place] = Some(Err(Answer::Reply(bad))),
            }
        }
        if !waiting.is_empty() {
            match self.caught_up(&wanted).await {
                Ok(partitions) => {
                    for (place, question) in waiting {
                        let mut missing = self.applied.missing(&question.at_least);
                        if missing.any(|(partition, _)| partitions.contains(&partition)) {
                            let why = behind(&question.at_least);
                            answers[place] = Some(Err(later(&batch[place], &why)));
                        } else {
                            ready.push((place, question));
                        }
                    }
                }
                Err(away) => {
                    for (place, _) in waiting {
                        answers[place] = Some(Err(Answer::Reply(away.clone())));
                    }
                }
            }
        }
        let (places, questions): (Vec<usize>, Vec<Question>) = ready.into_iter().unzip();
        let found = self.look_up(&questions).await;
        for (place, reply) in places.into_iter().zip(found) {
            answers[place] = Some(Ok(reply));
        }
        let unanswered = || {
            let text = "the query was not answered";
            Err(Answer::Reply(error_reply(text, ReplyStatus::Failed)))
        };
        let answers = answers.into_iter();
        answers
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect()
    }

    async fn look_up(&self, questions: &[Question]) -> Vec<Box<RawValue>> {
        match answer_all(&self.store, questions).await {
            Ok(found) => found,
            Err(error) => vec![unavailable(&error); questions.len()],
        }
    }

    /// Waits a moment for the positions, and longer while their partitions are applied further; returns those that are still behind.
    async fn caught_up(&self, wanted: &Positions) -> Result<Vec<Partition>, Box<RawValue>> {
        let wait_max = Duration::from_millis(BATCH_WAIT_MS_MAX);
        let began = Instant::now();
        loop {
            let before = self.applied.now();
            let waited = self.applied.wait(wanted, wait_max, &*self.events).await;
            let behind = waited
                .map_err(|error| error_reply(&error.to_string(), ReplyStatus::Unavailable))?;
            let now = self.applied.now();
            let goes_on = behind
                .iter()
                .all(|partition| now.get(*partition) > before.get(*partition));
            if behind.is_empty() {
                return Ok(behind);
            }
            if !goes_on || began.elapsed() >= Duration::from_millis(PROGRESS_WAIT_MS_MAX) {
                self.behind.found(behind.iter().copied(), Instant::now());
                return Ok(behind);
            }
        }
    }

    /// Whether waiting for the positions is in vain for the moment.
    fn is_behind(&self, wanted: &Positions) -> bool {
        let missing = self.applied.missing(wanted).map(|(partition, _)| partition);
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
        Err(later(delivery, &behind(wanted)))
    }

    /// The reply to a query of any other kind, or the answer that there is none now.
    async fn other(&self, queue: QueueName, delivery: &Delivery) -> Result<Box<RawValue>, Answer> {
        if queue == names::GET_MAILS {
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
        let lookup = Lookup {
            collection,
            choice: Choice::Page {
                limit: page_max,
                after,
            },
            follow: BTreeMap::new(),
        };
        let page = Question {
            lookups: vec![lookup],
            form: Form::Many { versions: false },
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

fn behind(wanted: &Positions) -> String {
    format!("{wanted} is not applied yet")
}

/// The answer to a query that can't be answered now: it comes again after a pause, until its time is over.
fn later(delivery: &Delivery, why: &str) -> Answer {
    if delivery.redeliveries < RETURNS_MAX {
        return Answer::Retry(why.to_owned());
    }
    let text = format!("the read model is behind: {why}; try again");
    Answer::Reply(error_reply(&text, ReplyStatus::Unavailable))
}

fn unavailable(error: &redis::RedisError) -> Box<RawValue> {
    error_reply(
        &format!("the read model's cache is not available: {error}"),
        ReplyStatus::Unavailable,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::Projection;
    use ordershop_contract::correlation::Correlation;
    use ordershop_contract::event_store::RecordedEvent;
    use ordershop_contract::partition::Partitions;
    use ordershop_contract::position::Position;
    use ordershop_redis::applied::AppliedWatch;
    use ordershop_redis::connection::RedisLink;
    use ordershop_redis::durability::Durability;
    use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
    use ordershop_redis::metrics::AppendMetrics;
    use ordershop_redis::server::RedisServer;
    use tokio_util::sync::CancellationToken;

    const AT: Position = Position { ms: 5, seq: 0 };

    fn correlation() -> Correlation {
        Correlation {
            correlation_id: "c".into(),
            causation_id: "c".into(),
            times: None,
        }
    }

    fn product() -> RecordedEvent {
        RecordedEvent {
            partition: Topic::Product.into(),
            position: AT,
            event_id: "e".into(),
            action: "entity_created".to_owned(),
            entity_id: "tea".into(),
            version: 1,
            data: raw(r#"{"entity_id":"tea","name":"Tea","price":1}"#),
            published_at_us: 5_000,
            correlation: correlation(),
        }
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    /// A question for an entity as of [`AT`].
    fn asked(name: &str) -> Delivery {
        Delivery {
            message_id: name.to_owned(),
            payload: raw(&format!(
                r#"{{"params":{{"name":"{name}","id":"tea"}},"at_least":{{"{name}":"{AT}"}}}}"#
            )),
            correlation: correlation(),
            wants_reply: true,
            redeliveries: 0,
            deadline: None,
        }
    }

    #[tokio::test]
    async fn what_was_applied_and_is_dropped_while_a_neighbour_is_waited_for_is_not_answered_without()
     {
        let folder = tempfile::tempdir().unwrap();
        let server = RedisServer::start(folder.path(), Durability::None).await;
        let server = server.unwrap();
        let link = RedisLink::new(server.url()).unwrap();
        let config = EventStoreConfig::default();
        let events = RedisEventStore::start(link.clone(), &AppendMetrics::default(), config);
        let mut connection = link.dedicated().await.unwrap();
        let mut cart = redis::cmd("XADD");
        cart.arg("events:{cart}")
            .arg(AT.to_string())
            .arg(&["a", "b"]);
        cart.exec_async(&mut connection).await.unwrap();
        let store = ReadStore::new(&link, Partitions::ONE);
        let stop = CancellationToken::new();
        let told = AppliedWatch::of_written(link.clone(), Partitions::ONE, link.shared(), stop);
        let queries = Queries {
            store: store.clone(),
            applied: AppliedPositions::new(store.clone(), told),
            behind: PartitionsBehind::default(),
            events,
        };
        let tea = store.overlay().of(Topic::Product).apply(&product());
        tea.unwrap();
        queries.applied.applied_here(Topic::Product, AT);

        // Nobody projects carts, so the second question is waited for.
        let batch = [asked("product"), asked("cart")];
        let answers = queries.handle(names::GET_ENTITY, &batch);
        let dropped = async {
            *store.overlay().of(Topic::Product) = Projection::default();
            store.set_applied(Topic::Product, Position::START);
        };
        let (answers, ()) = tokio::join!(answers, dropped);

        assert!(matches!(answers[0], Answer::Retry(_)), "{:?}", answers[0]);
        assert!(matches!(answers[1], Answer::Retry(_)), "{:?}", answers[1]);
    }
}
