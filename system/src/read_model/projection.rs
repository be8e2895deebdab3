//! The projection as a pure fold: events in stream order → what changes in the cache. Knows entities' JSON, not Redis's commands.

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::keys::{Collection, index_member, indexed_fields};
use crate::event_store::RecordedEvent;
use crate::topic::Topic;
use crate::wire::action;

/// What a batch of one topic's events changes. Later events win over earlier ones of the same aggregate.
#[derive(Debug, Default)]
pub struct Projection {
    /// Entities as they are after the batch (`None`: deleted), by id: `version|JSON`.
    pub entities: FxHashMap<String, Option<String>>,
    /// Reservations as they are after the batch, by order id: `version|JSON`.
    pub reservations: FxHashMap<String, String>,
    /// Index members by field that are to be there (`true`) or gone (`false`).
    pub members: FxHashMap<(&'static str, String), bool>,
}

/// The fields by which entities are found.
#[derive(Deserialize)]
struct Indexed<'a> {
    #[serde(borrow, default)]
    product_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    customer_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    cart_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    order_id: Option<std::borrow::Cow<'a, str>>,
}

impl Indexed<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        match name {
            "product_id" => self.product_id.as_deref(),
            "customer_id" => self.customer_id.as_deref(),
            "cart_id" => self.cart_id.as_deref(),
            "order_id" => self.order_id.as_deref(),
            _ => None,
        }
    }
}

impl Projection {
    /// Folds one more event in.
    pub fn apply(&mut self, event: &RecordedEvent) {
        let value = || format!("{}|{}", event.version, event.data.get());
        match event.action.as_str() {
            action::STOCK_RESERVED | action::STOCK_RELEASED => {
                self.reservations
                    .insert(event.aggregate_id.clone(), value());
            }
            action::DELETED => {
                self.entities.insert(event.aggregate_id.clone(), None);
                self.index(event, false);
            }
            action::CREATED | action::UPDATED | action::MAIL_SENT => {
                self.entities
                    .insert(event.aggregate_id.clone(), Some(value()));
                self.index(event, true);
            }
            other => {
                tracing::warn!(topic = %event.topic, action = other, "an action that the read model doesn't know; left out")
            }
        }
    }

    fn index(&mut self, event: &RecordedEvent, there: bool) {
        let fields = indexed_fields(event.topic);
        if fields.is_empty() {
            return;
        }
        let Ok(indexed) = serde_json::from_str::<Indexed<'_>>(event.data.get()) else {
            return;
        };
        for &name in fields {
            if let Some(value) = indexed.field(name) {
                let member = index_member(value, &event.aggregate_id);
                self.members.insert((name, member), there);
            }
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.reservations.is_empty()
    }

    /// Adds the commands that write it, for `topic`, to a transaction.
    pub(super) fn write_to(&self, topic: Topic, pipe: &mut redis::Pipeline) {
        let entities = Collection::Entities(topic).key();
        let ids = super::keys::ids_key(topic);
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.entities.iter().partition(|(_, value)| value.is_some());
        if !kept.is_empty() {
            let hset = pipe.cmd("HSET").arg(&entities);
            for (id, value) in &kept {
                hset.arg(*id).arg(value.as_deref().unwrap_or_default());
            }
            hset.ignore();
            let zadd = pipe.cmd("ZADD").arg(&ids);
            for (id, _) in &kept {
                zadd.arg(0).arg(*id);
            }
            zadd.ignore();
        }
        if !gone.is_empty() {
            for (command, key) in [("HDEL", &entities), ("ZREM", &ids)] {
                let remove = pipe.cmd(command).arg(key);
                for (id, _) in &gone {
                    remove.arg(*id);
                }
                remove.ignore();
            }
        }
        if !self.reservations.is_empty() {
            let hset = pipe.cmd("HSET").arg(Collection::Reservations.key());
            for (order_id, value) in &self.reservations {
                hset.arg(order_id).arg(value);
            }
            hset.ignore();
        }
        for &field in indexed_fields(topic) {
            let key = super::keys::index_key(topic, field);
            for (command, there) in [("ZADD", true), ("ZREM", false)] {
                let members: Vec<&str> = self
                    .members
                    .iter()
                    .filter(|((name, _), is_there)| *name == field && **is_there == there)
                    .map(|((_, member), _)| member.as_str())
                    .collect();
                if members.is_empty() {
                    continue;
                }
                let change = pipe.cmd(command).arg(&key);
                for member in members {
                    if there {
                        change.arg(0);
                    }
                    change.arg(member);
                }
                change.ignore();
            }
        }
    }
}
