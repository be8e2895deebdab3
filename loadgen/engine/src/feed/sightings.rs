//! Which events have been seen, which of them the read model has applied, and which waiters they fulfil. Pure bookkeeping without a
//! socket: an event may come before it is awaited, and may be applied before or after it is seen.

use std::cell::Cell;
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::feed::event_data::{self, EventData};
use crate::feed::partition::Partition;
use crate::feed::position::FeedPosition;
use loadgen_scenario::KeySource;
use loadgen_scenario::equality::equal;

/// The most keys kept per topic; older ones without waiters are forgotten.
const KEYS_MAX: usize = 100_000;
/// The most events kept per key.
const EVENTS_PER_KEY_MAX: usize = 16;

/// An event from the feed.
#[derive(Debug)]
pub struct SeenEvent {
    /// `entity_created` and the like.
    pub action: Box<str>,
    /// The event's data: the entity.
    pub data: EventData,
    /// The number of its topic's partition.
    pub partition: u32,
    /// Its position in its partition.
    pub position: FeedPosition,
    visible_at: Cell<Option<Instant>>,
}

impl SeenEvent {
    /// When the event was both seen and known to be applied by the read model. Always set in events that `wait` returns.
    pub fn visible_at(&self) -> Option<Instant> {
        self.visible_at.get()
    }
}

/// The condition that an awaited event must meet.
#[derive(Debug, Clone, Default)]
pub struct EventMatch {
    /// Its action; `None` for any.
    pub action: Option<String>,
    /// JSON pointers into its data and the values that must be there.
    pub fields: Vec<(String, Value)>,
}

impl EventMatch {
    fn holds(&self, event: &SeenEvent) -> bool {
        self.action
            .as_ref()
            .is_none_or(|action| **action == *event.action)
            && self.fields.iter().all(|(pointer, expected)| {
                let found = event.data.at(pointer);
                found.is_some_and(|found| equal(&found, expected))
            })
    }
}

#[derive(Default)]
struct Key {
    events: VecDeque<Rc<SeenEvent>>,
    waiters: Vec<(EventMatch, oneshot::Sender<Rc<SeenEvent>>)>,
}

/// An event's key by each source; none where its data has none.
type EventKeys = Vec<Option<Rc<str>>>;

struct TopicSightings {
    sources: Vec<KeySource>,
    keys: Vec<HashMap<Rc<str>, Key>>,
    /// Keys in the order they were first seen, to forget the oldest; may contain keys that are gone already.
    order: VecDeque<(usize, Rc<str>)>,
    /// By number; each topic has number 0.
    partitions: BTreeMap<u32, PartitionSightings>,
}

/// How far a partition has been seen and applied.
#[derive(Default)]
struct PartitionSightings {
    not_applied: VecDeque<(Rc<SeenEvent>, EventKeys)>,
    applied: FeedPosition,
    seen: FeedPosition,
}

/// The events seen on one feed, and their waiters.
#[derive(Default)]
pub struct Sightings {
    topics: HashMap<String, TopicSightings>,
    /// The number of keys forgotten before their journeys had released them.
    pub forgotten: u64,
}

impl Sightings {
    /// Sightings of these topics, each with how its events are found.
    pub fn new<'a>(awaited: impl IntoIterator<Item = (&'a str, &'a KeySource)>) -> Self {
        let mut sightings = Self::default();
        for (name, source) in awaited {
            let topic = sightings
                .topics
                .entry(name.to_owned())
                .or_insert_with(|| TopicSightings {
                    sources: Vec::new(),
                    keys: Vec::new(),
                    order: VecDeque::new(),
                    partitions: BTreeMap::from([(0, PartitionSightings::default())]),
                });
            topic.sources.push(source.clone());
            topic.keys.push(HashMap::new());
        }
        sightings
    }

    /// The topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// How far each partition has been seen: where a broken feed resumes.
    pub fn seen(&self) -> impl Iterator<Item = (Partition<'_>, FeedPosition)> {
        self.topics.iter().flat_map(|(topic, sightings)| {
            let partitions = sightings.partitions.iter();
            partitions.map(|(&number, partition)| (Partition { topic, number }, partition.seen))
        })
    }

    /// Sets where the feed of the partition of this name starts, from its first message.
    pub fn starts_at(&mut self, partition: &str, position: FeedPosition) {
        if let Some((topic, number)) = self.named(partition) {
            let partition = topic.partitions.entry(number).or_default();
            partition.seen = partition.seen.max(position);
        }
    }

    /// The topic and the number of a partition's name; a topic's own name may end like one.
    fn named(&mut self, partition: &str) -> Option<(&mut TopicSightings, u32)> {
        let partition = match self.topics.contains_key(partition) {
            true => Partition {
                topic: partition,
                number: 0,
            },
            false => Partition::parse(partition),
        };
        let topic = self.topics.get_mut(partition.topic)?;
        Some((topic, partition.number))
    }

    /// Adds an event that was read from the socket at `read_at`. An event seen before changes nothing.
    pub fn event(
        &mut self,
        of: Partition<'_>,
        aggregate_id: &str,
        action: &str,
        data: &RawValue,
        position: FeedPosition,
        read_at: Instant,
    ) {
        let Some(topic) = self.topics.get_mut(of.topic) else {
            return;
        };
        let partition = topic.partitions.entry(of.number).or_default();
        if position <= partition.seen {
            return;
        }
        partition.seen = position;
        let visible_at = (position <= partition.applied).then_some(read_at);
        let event = Rc::new(SeenEvent {
            action: action.into(),
            data: data.into(),
            partition: of.number,
            position,
            visible_at: Cell::new(visible_at),
        });
        let keys = topic.sources.iter().map(|source| match source {
            KeySource::AggregateId => Some(aggregate_id.into()),
            KeySource::Field(pointer) => event_data::at(data, pointer).map(key_text),
        });
        let keys: EventKeys = keys.collect();
        for (source, key) in present(&keys) {
            let entry = topic.entry(source, key);
            entry.events.push_back(event.clone());
            if entry.events.len() > EVENTS_PER_KEY_MAX {
                entry.events.pop_front();
            }
        }
        match visible_at {
            Some(_) => topic.tell(&event, &keys),
            None => {
                let partition = topic.partitions.entry(of.number).or_default();
                partition.not_applied.push_back((event, keys));
            }
        }
        self.forgotten += topic.forget_oldest();
    }

    /// Notes that the read model has applied the partition of this name up to a position; read from the socket at `read_at`.
    pub fn applied(&mut self, partition: &str, position: FeedPosition, read_at: Instant) {
        let Some((topic, number)) = self.named(partition) else {
            return;
        };
        let partition = topic.partitions.entry(number).or_default();
        partition.applied = partition.applied.max(position);
        let applied = partition
            .not_applied
            .partition_point(|(event, _)| event.position <= partition.applied);
        let applied: Vec<_> = partition.not_applied.drain(..applied).collect();
        for (event, keys) in applied {
            event.visible_at.set(Some(read_at));
            topic.tell(&event, &keys);
        }
    }

    /// Waits for the first event of this key that meets the condition, among those kept and those to come.
    pub fn wait(
        &mut self,
        topic: &str,
        source: &KeySource,
        key: &str,
        condition: EventMatch,
    ) -> oneshot::Receiver<Rc<SeenEvent>> {
        let (sender, receiver) = oneshot::channel();
        let Some(topic) = self.topics.get_mut(topic) else {
            return receiver;
        };
        let Some(source) = topic.sources.iter().position(|s| s == source) else {
            return receiver;
        };
        let entry = topic.entry(source, &key.into());
        match entry
            .events
            .iter()
            .find(|event| event.visible_at.get().is_some() && condition.holds(event))
        {
            Some(event) => drop(sender.send(event.clone())),
            None => {
                // Removes waiters that have given up.
                entry.waiters.retain(|(_, waiter)| !waiter.is_closed());
                entry.waiters.push((condition, sender));
            }
        }
        receiver
    }

    /// Forgets the events of this key, unless another journey waits for it.
    pub fn release(&mut self, topic: &str, source: &KeySource, key: &str) {
        let Some(topic) = self.topics.get_mut(topic) else {
            return;
        };
        let Some(source) = topic.sources.iter().position(|s| s == source) else {
            return;
        };
        if topic.keys[source]
            .get(key)
            .is_some_and(|k| k.waiters.iter().all(|(_, waiter)| waiter.is_closed()))
        {
            topic.keys[source].remove(key);
        }
    }
}

impl TopicSightings {
    fn entry(&mut self, source: usize, key: &Rc<str>) -> &mut Key {
        let entry = self.keys[source].entry(key.clone());
        if let Entry::Vacant(_) = entry {
            self.order.push_back((source, key.clone()));
        }
        entry.or_default()
    }

    fn tell(&mut self, event: &Rc<SeenEvent>, keys: &EventKeys) {
        for (source, key) in present(keys) {
            let Some(entry) = self.keys[source].get_mut(key) else {
                continue;
            };
            let fulfilled = |(condition, _): &mut (EventMatch, _)| condition.holds(event);
            for (_, waiter) in entry.waiters.extract_if(.., fulfilled) {
                // Nobody listens to a wait that was given up.
                waiter.send(event.clone()).ok();
            }
        }
    }

    fn forget_oldest(&mut self) -> u64 {
        let mut forgotten = 0;
        let surplus = self.order.len().saturating_sub(KEYS_MAX);
        for (source, key) in self.order.drain(..surplus).collect::<Vec<_>>() {
            match self.keys[source].get(&key) {
                None => {}
                Some(entry) if !entry.waiters.is_empty() => self.order.push_back((source, key)),
                Some(_) => {
                    self.keys[source].remove(&key);
                    forgotten += 1;
                }
            }
        }
        forgotten
    }
}

/// The keys that an event has, each with its source.
fn present(keys: &EventKeys) -> impl Iterator<Item = (usize, &Rc<str>)> {
    let keys = keys.iter().enumerate();
    keys.filter_map(|(source, key)| Some((source, key.as_ref()?)))
}

/// A JSON value as a key: text without quotes.
fn key_text(value: Value) -> Rc<str> {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests;
