//! Who listens, and how far the feed has come: joins sockets to the followers without a gap and without a repeat. Knows no store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::gateway::FeedConfig;
use crate::position::{Position, Positions, Projected};
use crate::topic::Topic;

use super::frame::{self, Frame};
use super::outbox::Outbox;
use crate::event_store::RecordedEvent;

/// The followers on one side, the sockets on the other.
pub(in crate::gateway) struct Hub {
    config: FeedConfig,
    state: Mutex<State>,
    /// Told when somebody begins or ends to listen, or a follower to follow.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    outboxes: Vec<Arc<Outbox>>,
    /// Up to where each topic's events have gone out; `None` while nobody follows it.
    live: [Option<Position>; Topic::ALL.len()],
    /// How far the read model has come; `None` while nobody asks it.
    applied: Option<Positions>,
}

impl State {
    /// Gives a frame to everybody, or to those who follow sampled requests.
    fn tell(&self, sampled: bool, frame: Frame) {
        let frame = Arc::new(frame);
        let them = self.outboxes.iter().filter(|o| o.sampled == sampled);
        them.for_each(|outbox| outbox.push(&frame));
    }
}

impl Hub {
    pub(in crate::gateway) fn new(config: FeedConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = ready(&mut self.state()) {
                return found;
            }
            // The sender lives as long as the hub; an error can't come.
            let _ = changed.changed().await;
        }
    }

    /// Waits until somebody listens.
    pub(super) async fn until_heard(&self) {
        self.until(|state| (!state.outboxes.is_empty()).then_some(()))
            .await;
    }

    /// A socket begins to listen: to what the read model has applied at once, to events from [`Hub::join`] on.
    pub(super) fn listen(&self, sampled: bool) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(self.config.lag_bytes_max, sampled));
        let mut state = self.state();
        if let Some(applied) = state.applied
            && !sampled
        {
            outbox.push(&Arc::new(Frame::Applied(applied)));
        }
        state.outboxes.push(Arc::clone(&outbox));
        drop(state);
        self.changed.send_replace(());
        outbox
    }

    /// A socket listens no more.
    pub(super) fn leave(&self, outbox: &Arc<Outbox>) {
        self.state()
            .outboxes
            .retain(|other| !Arc::ptr_eq(other, outbox));
    }

    /// Up to where these topics have gone out, once every one of them is followed.
    pub(super) async fn live(&self, topics: &[Topic]) -> Positions {
        self.until(|state| live_positions(state, topics)).await
    }

    /// Joins: the events after the answered positions come into the outbox, and none else.
    pub(super) async fn join(&self, outbox: &Outbox, topics: &[Topic]) -> Positions {
        self.until(|state| {
            let positions = live_positions(state, topics)?;
            outbox.go_live();
            Some(positions)
        })
        .await
    }

    /// A follower begins at a position.
    pub(super) fn follows(&self, topic: Topic, from: Position) {
        self.state().live[topic.index()] = Some(from);
        self.changed.send_replace(());
    }

    /// Whether somebody still listens; if not, the topic is followed no more.
    pub(super) fn still_heard(&self, topic: Topic) -> bool {
        let mut state = self.state();
        if state.outboxes.is_empty() {
            state.live[topic.index()] = None;
        }
        !state.outboxes.is_empty()
    }

    /// Sends a batch to everybody.
    pub(super) fn publish(&self, topic: Topic, batch: &[RecordedEvent]) {
        let frames = frame::events(topic, batch, self.config.frame_bytes_max);
        let mut state = self.state();
        for events in frames {
            state.live[topic.index()] = Some(events.last());
            state.tell(false, Frame::Events(events));
        }
        let is_sampled = |event: &&RecordedEvent| event.correlation.times.is_some();
        if state.outboxes.iter().any(|outbox| outbox.sampled) {
            let sampled = batch.iter().filter(is_sampled);
            for events in frame::events(topic, sampled, self.config.frame_bytes_max) {
                state.tell(true, Frame::Events(events));
            }
        }
    }

    /// Tells who follows sampled requests when their events were applied.
    pub(super) fn projected(&self, batches: &[Projected]) {
        if !batches.is_empty() {
            let frame = Frame::Projected(frame::projected(batches));
            self.state().tell(true, frame);
        }
    }

    /// Tells everybody how far the read model has come, as far as that is news.
    pub(super) fn applied(&self, now: &Positions) {
        let mut state = self.state();
        let mut news = Positions::NONE;
        for (topic, position) in now.iter() {
            if state
                .applied
                .is_none_or(|known| known.get(topic) < Some(position))
            {
                news.raise(topic, position);
            }
        }
        // The first answer is told even when it says nothing: a client waits for it.
        if state.applied.is_none() || !news.is_empty() {
            state.tell(false, Frame::Applied(news));
        }
        state.applied.get_or_insert(Positions::NONE).merge(&news);
    }

    /// Whether somebody still listens; if not, how far the read model has come is known no more.
    pub(super) fn applied_still_heard(&self) -> bool {
        let mut state = self.state();
        if state.outboxes.is_empty() {
            state.applied = None;
        }
        !state.outboxes.is_empty()
    }
}

fn live_positions(state: &State, topics: &[Topic]) -> Option<Positions> {
    let mut positions = Positions::NONE;
    for topic in topics {
        positions.raise(*topic, state.live[topic.index()]?);
    }
    Some(positions)
}
