//! Connects the open sockets to the followers, without a gap or a repeat in a topic's events. Must not know the store.

pub(crate) mod frame;
pub(crate) mod outbox;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::config::FeedConfig;
use ordershop_contract::position::{Position, Positions, Projected};
use ordershop_contract::topic::Topic;

use frame::Frame;
use ordershop_contract::event_store::RecordedEvent;
use outbox::Outbox;

/// Distributes what the followers read to the open sockets.
pub(crate) struct Hub {
    config: FeedConfig,
    state: Mutex<State>,
    /// Signals that a socket has opened or a follower has started.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    outboxes: Vec<Arc<Outbox>>,
    /// The last position sent, by topic; `None` while the topic is not followed.
    live: [Option<Position>; Topic::ALL.len()],
    /// The read model's progress; `None` while it is not being asked.
    applied: Option<Positions>,
}

impl State {
    /// Sends a frame to the ordinary sockets, or to those that follow sampled requests.
    fn tell(&self, sampled: bool, frame: Frame) {
        let frame = Arc::new(frame);
        let them = self.outboxes.iter().filter(|o| o.sampled == sampled);
        them.for_each(|outbox| outbox.push(&frame));
    }
}

impl Hub {
    pub(crate) fn new(config: FeedConfig) -> Self {
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
            // Can't fail: the sender lives as long as the hub.
            let _ = changed.changed().await;
        }
    }

    /// Waits until a socket is open.
    pub(super) async fn until_heard(&self) {
        self.until(|state| (!state.outboxes.is_empty()).then_some(()))
            .await;
    }

    /// Registers a socket: it gets the read model's progress from now on, events from [`Hub::join`] on.
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

    /// Removes a socket.
    pub(super) fn leave(&self, outbox: &Arc<Outbox>) {
        self.state()
            .outboxes
            .retain(|other| !Arc::ptr_eq(other, outbox));
    }

    /// The last positions sent of these topics; waits until all of them are followed.
    pub(super) async fn live(&self, topics: &[Topic]) -> Positions {
        self.until(|state| live_positions(state, topics)).await
    }

    /// Joins the live events: exactly those after the returned positions go into the outbox.
    pub(super) async fn join(&self, outbox: &Outbox, topics: &[Topic]) -> Positions {
        self.until(|state| {
            let positions = live_positions(state, topics)?;
            outbox.go_live();
            Some(positions)
        })
        .await
    }

    /// Notes that a follower starts after this position.
    pub(super) fn follows(&self, topic: Topic, from: Position) {
        self.state().live[topic.index()] = Some(from);
        self.changed.send_replace(());
    }

    /// Whether a socket is still open; if not, notes that the topic is no longer followed.
    pub(super) fn still_heard(&self, topic: Topic) -> bool {
        let mut state = self.state();
        if state.outboxes.is_empty() {
            state.live[topic.index()] = None;
        }
        !state.outboxes.is_empty()
    }

    /// Sends a batch to every socket.
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

    /// Sends the times at which sampled events were applied to the sockets that follow those.
    pub(super) fn projected(&self, batches: &[Projected]) {
        if !batches.is_empty() {
            let frame = Frame::Projected(frame::projected(batches));
            self.state().tell(true, frame);
        }
    }

    /// Sends the read model's progress to the ordinary sockets: the topics that moved.
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
        // The first answer is sent even if it is empty: clients wait for it.
        if state.applied.is_none() || !news.is_empty() {
            state.tell(false, Frame::Applied(news));
        }
        state.applied.get_or_insert(Positions::NONE).merge(&news);
    }

    /// Whether a socket is still open; if not, forgets the read model's progress.
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
