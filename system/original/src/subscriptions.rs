//! The subscriptions by connection and topic, so that a later request over the same connection can end them. Must not know events.

use std::sync::{Arc, Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use ordershop_contract::topic::Topic;

/// Most subscriptions at once; each has a blocking connection to Redis.
const SUBSCRIPTIONS_MAX: usize = 1_000;

type SubscriptionKey = (u64, Topic);

#[derive(Debug)]
struct SubscriptionEntry {
    number: u64,
    unsubscribed: CancellationToken,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct SubscriptionTable {
    entered: u64,
    count: usize,
    entries: FxHashMap<SubscriptionKey, Vec<SubscriptionEntry>>,
}

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<SubscriptionTable>);

/// A subscription's entry in [`Subscriptions`]; removed when dropped.
#[derive(Debug)]
pub(super) struct Subscribed {
    subscriptions: Arc<Subscriptions>,
    key: SubscriptionKey,
    number: u64,
    /// Cancelled when the client unsubscribes.
    pub unsubscribed: CancellationToken,
    /// When dropped, signals that the subscription has ended: its sent events are acknowledged by then.
    _ended: DropGuard,
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, SubscriptionTable> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Adds a subscription.
    pub fn enter(self: &Arc<Self>, connection: u64, topic: Topic) -> Result<Subscribed, Status> {
        let mut table = self.lock();
        if table.count >= SUBSCRIPTIONS_MAX {
            return Err(Status::resource_exhausted(format!(
                "this server already has {SUBSCRIPTIONS_MAX} subscriptions"
            )));
        }
        table.count += 1;
        table.entered += 1;
        let number = table.entered;
        let (unsubscribed, ended) = (CancellationToken::new(), CancellationToken::new());
        let key = (connection, topic);
        table
            .entries
            .entry(key)
            .or_default()
            .push(SubscriptionEntry {
                number,
                unsubscribed: unsubscribed.clone(),
                ended: ended.clone(),
            });
        Ok(Subscribed {
            subscriptions: Arc::clone(self),
            key,
            number,
            unsubscribed,
            _ended: ended.drop_guard(),
        })
    }

    /// Ends a connection's subscriptions of a topic. Returns a token for each that is cancelled when it has ended.
    pub fn unsubscribe(&self, connection: u64, topic: Topic) -> Vec<CancellationToken> {
        let table = self.lock();
        let entries = table.entries.get(&(connection, topic));
        let entries = entries.into_iter().flatten();
        // A subscription that was already told to end no longer counts.
        let live = entries.filter(|entry| !entry.unsubscribed.is_cancelled());
        live.map(|entry| {
            entry.unsubscribed.cancel();
            entry.ended.clone()
        })
        .collect()
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        let mut table = self.subscriptions.lock();
        table.count -= 1;
        if let Some(entries) = table.entries.get_mut(&self.key) {
            entries.retain(|entry| entry.number != self.number);
            if entries.is_empty() {
                table.entries.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_its_own_subscriptions_of_the_topic_alone() {
        let all = Arc::new(Subscriptions::default());
        let first = all.enter(1, Topic::Order).unwrap();
        let second = all.enter(1, Topic::Order).unwrap();
        let others = [
            all.enter(1, Topic::Cart).unwrap(),
            all.enter(2, Topic::Order).unwrap(),
        ];

        let ending = all.unsubscribe(1, Topic::Order);

        assert_eq!(ending.len(), 2);
        assert!(first.unsubscribed.is_cancelled() && second.unsubscribed.is_cancelled());
        assert!(
            others
                .iter()
                .all(|other| !other.unsubscribed.is_cancelled())
        );
        assert!(all.unsubscribe(1, Topic::Order).is_empty());
        drop(first);
        assert!(ending.iter().any(CancellationToken::is_cancelled));
        drop((second, others));
        let table = all.lock();
        assert_eq!((table.count, table.entries.len()), (0, 0));
    }

    #[test]
    fn there_is_a_limit_and_room_again_afterwards() {
        let all = Arc::new(Subscriptions::default());
        let topic = Topic::Order;
        let mut held: Vec<_> = (0..1_000).map(|n| all.enter(n, topic).unwrap()).collect();
        assert!(all.enter(1, topic).is_err());
        held.pop();
        assert!(all.enter(1, topic).is_ok());
    }
}
