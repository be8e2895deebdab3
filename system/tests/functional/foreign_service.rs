//! A service of somebody else on the shop's Redis: it appends to the event store without the shop's commands, so it does what they refuse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Appended, Claim, EventStore, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::position::{Position, Positions};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The timeout of an append; far longer than a takeover takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// An action that means nothing to the shop: such an event only carries a claim.
const NOTED: &str = "noted";
/// What begins the id of the aggregate whose first event takes a claim, and whose second one gives it back.
const HOLDER: &str = "holder-";
/// More events than a topic of these tests has.
const EVENTS_MAX: usize = 10_000;

/// How long a claim is kept, if nobody gives it back: while a shop stands still, its buyers can't.
const CLAIM_KEPT: Duration = Duration::from_secs(15);

/// The service; each append has a store of its own, which hands on to the one that leads.
#[derive(Clone)]
pub struct ForeignService {
    redis_url: String,
}

impl ForeignService {
    pub fn on(redis_url: &str) -> Self {
        Self {
            redis_url: redis_url.to_owned(),
        }
    }

    /// Creates an entity of an order; returns the position from which it is there.
    pub async fn creates(&self, topic: Topic, entity: &Value) -> Positions {
        let id = entity["entity_id"].as_str().unwrap();
        let order = entity["order_id"].as_str().unwrap().to_owned();
        let taken = vec![Claim::Take(order)];
        self.writes(topic, id, 1, action::CREATED, entity, taken)
            .await
    }

    /// Deletes an entity of an order, which has had one event.
    pub async fn deletes(&self, topic: Topic, entity: &Value) {
        let id = entity["entity_id"].as_str().unwrap();
        let order = entity["order_id"].as_str().unwrap().to_owned();
        let released = vec![Claim::Release(order)];
        self.writes(topic, id, 2, action::DELETED, entity, released)
            .await;
    }

    /// Writes an aggregate's next event.
    pub async fn writes(
        &self,
        topic: Topic,
        id: &str,
        version: u64,
        action: &str,
        data: &Value,
        claims: Vec<Claim>,
    ) -> Positions {
        let expected = match version {
            1 => ExpectedVersion::NoStream,
            next => ExpectedVersion::Exact(next - 1),
        };
        let event = event(id, action, expected, data);
        self.appends(topic, event, claims, false).await
    }

    /// Takes a claim for a while, so that nobody else can. It is given back later unless what is returned is cancelled: a service that appends
    /// after the test's shop has ended would take its place.
    pub async fn claims(&self, topic: Topic, claim: &str) -> CancellationToken {
        let holder = holder(claim);
        let event = noted(&holder, ExpectedVersion::NoStream);
        let taken = vec![Claim::Take(claim.to_owned())];
        self.appends(topic, event, taken, false).await;
        let (service, claim) = (self.clone(), claim.to_owned());
        let given_back = CancellationToken::new();
        let keeping = given_back.clone();
        tokio::spawn(async move {
            let kept = tokio::time::sleep(CLAIM_KEPT);
            if keeping.run_until_cancelled(kept).await.is_some() {
                service.releases(topic, &claim).await;
            }
        });
        given_back
    }

    /// Gives a claim back, if that hasn't been done.
    pub async fn releases(&self, topic: Topic, claim: &str) {
        let event = noted(&holder(claim), ExpectedVersion::Exact(1));
        let released = vec![Claim::Release(claim.to_owned())];
        self.appends(topic, event, released, true).await;
    }

    /// Gives back the claims that were taken and not given back, by a service that ended.
    pub async fn releases_all(&self, topic: Topic) {
        let store = self.store();
        let events = store
            .read(topic.into(), Position::START, EVENTS_MAX)
            .await
            .unwrap();
        assert!(events.len() < EVENTS_MAX);
        store.close().await;
        let mut taken = Vec::new();
        for event in events.iter().filter(|event| event.action == NOTED) {
            match event.version {
                1 => taken.push(&event.entity_id),
                _ => taken.retain(|holder| **holder != event.entity_id),
            }
        }
        for holder in taken {
            let claim = holder.strip_prefix(HOLDER).unwrap();
            self.releases(topic, claim).await;
        }
    }

    fn store(&self) -> Arc<dyn EventStore> {
        let link = RedisLink::new(&self.redis_url).unwrap();
        let metrics = AppendMetrics::default();
        RedisEventStore::start(link, &metrics, EventStoreConfig::default())
    }

    /// Appends an event, again until that is answered. A repeat may find itself written, and so may what `may_be_there`.
    async fn appends(
        &self,
        topic: Topic,
        event: NewEvent,
        claims: Vec<Claim>,
        mut may_be_there: bool,
    ) -> Positions {
        let store = self.store();
        let transaction = Transaction {
            claims,
            ..Transaction::of(topic, vec![event])
        };
        let deadline = Instant::now() + PATIENCE;
        let position = loop {
            match store.append(vec![transaction.clone()]).await.as_deref() {
                Ok([Appended::Committed { position }]) => break *position,
                Ok([Appended::Conflict { position, .. }]) if may_be_there => break *position,
                Err(error) if Instant::now() < deadline => {
                    eprintln!("the foreign service tries again: {error}");
                    may_be_there = true;
                }
                other => panic!("{transaction:?}: {other:?}"),
            }
        };
        store.close().await;
        Positions::of(topic, position)
    }
}

fn holder(claim: &str) -> String {
    format!("{HOLDER}{claim}")
}

/// An event of no entity; its data read like those of its topic, of an order that never was.
fn noted(holder: &str, expected: ExpectedVersion) -> NewEvent {
    let data = json!({"entity_id": holder, "order_id": holder});
    event(holder, NOTED, expected, &data)
}

fn event(id: &str, action: &str, expected: ExpectedVersion, data: &Value) -> NewEvent {
    let event_id = uuid::Uuid::now_v7().simple().to_string();
    NewEvent {
        event_id: event_id.clone().into(),
        action: action.to_owned().into(),
        entity_id: id.into(),
        expected,
        data: serde_json::value::to_raw_value(data).unwrap(),
        correlation: Correlation {
            correlation_id: event_id.clone(),
            causation_id: event_id,
            times: None,
        },
    }
}
