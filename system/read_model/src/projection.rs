//! The projection as a pure fold: events in stream order → changes in the cache. Knows entities' JSON, not Redis's commands.

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::keys::{Collection, index_member, indexed_fields};
use super::validation;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::partition::Partition;
use ordershop_contract::wire::action;

/// The changes of a batch of one partition's events. Later events override earlier ones of the same aggregate.
#[derive(Debug, Default)]
pub struct Projection {
    /// Entities as they are after the batch (`None`: deleted), by id: `version|JSON`.
    pub entities: FxHashMap<String, Option<String>>,
    /// Reservations as they are after the batch (`None`: archived), by order id: `version|JSON`.
    pub reservations: FxHashMap<String, Option<String>>,
    /// Aggregates with an event that changed their version but no data. Their cache entries, if any, need this version; otherwise a command
    /// that expects the cached version would always conflict.
    pub version_only: FxHashMap<String, u64>,
    /// Index members by field, to be added (`true`) or removed (`false`).
    pub members: FxHashMap<(&'static str, String), bool>,
}

/// The fields of an entity that have an index.
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
    /// Adds an event to the changes.
    ///
    /// # Errors
    /// Why the event is malformed; it then changes only the aggregate's version.
    pub fn apply(&mut self, event: &RecordedEvent) -> Result<(), String> {
        if let Err(reason) = validation::check(event) {
            self.change_version_only(event);
            return Err(reason);
        }
        let value = || format!("{}|{}", event.version, event.data.get());
        match event.action.as_str() {
            action::STOCK_RESERVED | action::STOCK_RELEASED => {
                self.reservations
                    .insert(event.entity_id.clone().into(), Some(value()));
            }
            // What is archived of the inventories are orders' reservations.
            action::ARCHIVED if event.partition.topic == Collection::Reservations(0).topic() => {
                self.reservations
                    .insert(event.entity_id.clone().into(), None);
            }
            action::DELETED | action::ARCHIVED => {
                self.entities.insert(event.entity_id.clone().into(), None);
                self.index(event, false);
            }
            action::CREATED | action::UPDATED | action::MAIL_SENT => {
                self.entities
                    .insert(event.entity_id.clone().into(), Some(value()));
                self.index(event, true);
            }
            other => {
                tracing::warn!(topic = %event.partition, action = other, "an event has an action that the read model doesn't know; it changes only the version");
                self.change_version_only(event);
            }
        }
        Ok(())
    }

    fn change_version_only(&mut self, event: &RecordedEvent) {
        self.version_only
            .insert(event.entity_id.clone().into(), event.version);
        let id = event.entity_id.as_str();
        let (entity, reservation) = (self.entities.get_mut(id), self.reservations.get_mut(id));
        for value in entity.into_iter().chain(reservation).flatten() {
            replace_version(value, event.version);
        }
    }

    /// The aggregates in `version_only` whose entries in `collection` this batch doesn't set.
    pub(super) fn version_only_in(&self, collection: Collection) -> Vec<String> {
        let is_known = |id: &String| match collection {
            Collection::Entities(_) => self.entities.contains_key(id),
            Collection::Reservations(_) => self.reservations.contains_key(id),
        };
        self.version_only
            .keys()
            .filter(|id| !is_known(id))
            .cloned()
            .collect()
    }

    /// Sets the new version in the cache entry of an aggregate in `version_only`.
    pub(super) fn set_version(&mut self, collection: Collection, id: String, mut value: String) {
        let Some(&version) = self.version_only.get(&id) else {
            return;
        };
        replace_version(&mut value, version);
        match collection {
            Collection::Entities(_) => drop(self.entities.insert(id, Some(value))),
            Collection::Reservations(_) => drop(self.reservations.insert(id, Some(value))),
        }
    }

    fn index(&mut self, event: &RecordedEvent, there: bool) {
        let fields = indexed_fields(event.partition.topic);
        if fields.is_empty() {
            return;
        }
        let Ok(indexed) = serde_json::from_str::<Indexed<'_>>(event.data.get()) else {
            return;
        };
        for &name in fields {
            if let Some(value) = indexed.field(name) {
                let member = index_member(value, &event.entity_id);
                self.members.insert((name, member), there);
            }
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.reservations.is_empty()
    }

    /// Adds the commands that write the changes of a partition to a transaction.
    pub(super) fn write_to(&self, partition: Partition, pipe: &mut redis::Pipeline) {
        let entities = Collection::Entities(partition.topic).key(partition);
        let ids = super::keys::ids_key(partition);
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
        self.write_reservations_to(partition, pipe);
        for &field in indexed_fields(partition.topic) {
            let key = super::keys::index_key(partition, field);
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

    fn write_reservations_to(&self, partition: Partition, pipe: &mut redis::Pipeline) {
        let key = Collection::Reservations(partition.number).key(partition);
        let (kept, gone): (Vec<_>, Vec<_>) = self
            .reservations
            .iter()
            .partition(|(_, value)| value.is_some());
        if !kept.is_empty() {
            let hset = pipe.cmd("HSET").arg(&key);
            for (order_id, value) in kept {
                hset.arg(order_id).arg(value.as_deref());
            }
            hset.ignore();
        }
        if !gone.is_empty() {
            let remove = pipe.cmd("HDEL").arg(&key);
            for (order_id, _) in gone {
                remove.arg(order_id);
            }
            remove.ignore();
        }
    }
}

fn replace_version(value: &mut String, version: u64) {
    let digits = value.find('|').unwrap_or(0);
    value.replace_range(..digits, &version.to_string());
}
