//! Connects the open sockets to the followers, without a gap or a repeat in a partition's events. Must not know the store.

pub(crate) mod frame;
pub(crate) mod frame_queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::config::FeedConfig;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::{Position, Positions, Projected};

use frame::FeedFrame;
use frame_queue::FrameQueue;
use ordershop_contract::event_store::RecordedEvent;

/// Distributes what the followers read to the open sockets.
pub(crate) struct Hub {
    config: FeedConfig,
    state: Mutex<HubState>,
    /// Signals that a socket has opened or a follower has started.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct HubState {
    clients: Vec<Arc<FrameQueue>>,
    /// The last position sent, of each partition that is followed.
    live: Positions,
    /// The read model's progress; `None` while it is not watched.
    applied: Option<Positions>,
    /// How often the event store went back.
    turn: u64,
}

impl HubState {
    /// Sends a frame to the ordinary sockets, or to those that follow sampled requests.
    fn send(&self, sampled: bool, frame: FeedFrame) {
        let frame = Arc::new(frame);
        let them = self
            .clients
            .iter()
            .filter(|client| client.sampled == sampled);
        them.for_each(|frame_queue| frame_queue.push(&frame));
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

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<T>(&self, mut ready: impl FnMut(&mut HubState) -> Option<T>) -> T {
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
    pub(super) async fn until_open(&self) {
        self.until(|state| (!state.clients.is_empty()).then_some(()))
            .await;
    }

    /// Registers a socket: it gets the read model's progress from now on, events from [`Hub::join`] on.
    pub(super) fn register(&self, sampled: bool) -> Arc<FrameQueue> {
        let frame_queue = Arc::new(FrameQueue::new(self.config.lag_bytes_max, sampled));
        let mut state = self.state();
        if let Some(applied) = &state.applied
            && !sampled
        {
            frame_queue.push(&Arc::new(FeedFrame::Applied(applied.clone())));
        }
        state.clients.push(Arc::clone(&frame_queue));
        drop(state);
        self.changed.send_replace(());
        frame_queue
    }

    /// Removes a socket.
    pub(super) fn leave(&self, frame_queue: &Arc<FrameQueue>) {
        self.state()
            .clients
            .retain(|other| !Arc::ptr_eq(other, frame_queue));
    }

    /// The last positions sent of these partitions; waits until all of them are followed.
    pub(super) async fn live(&self, partitions: &[Partition]) -> Positions {
        self.until(|state| live_positions(state, partitions)).await
    }

    /// Joins the live events: exactly those after the returned positions go into `frame_queue`.
    pub(super) async fn join(
        &self,
        frame_queue: &FrameQueue,
        partitions: &[Partition],
    ) -> Positions {
        self.until(|state| {
            let positions = live_positions(state, partitions)?;
            frame_queue.go_live();
            Some(positions)
        })
        .await
    }

    /// Notes that a follower starts after this position.
    pub(super) fn follows(&self, partition: Partition, from: Position) {
        self.state().live.set(partition, from);
        self.changed.send_replace(());
    }

    /// Ends every open socket and forgets all positions: the event store went back behind what was sent since `turn` began, and the clients
    /// begin anew. Does so once a turn, whichever partition shows it first.
    pub(super) fn went_back(&self, turn: u64) {
        let mut state = self.state();
        if state.turn != turn {
            return;
        }
        for client in state.clients.drain(..) {
            client.went_back.cancel();
        }
        state.live = Positions::NONE;
        state.applied = None;
        state.turn += 1;
    }

    /// How often the event store went back: positions of an earlier turn don't count.
    pub(super) fn turn(&self) -> u64 {
        self.state().turn
    }

    /// Whether a socket is still open; if not, notes that the partition is no longer followed.
    pub(super) fn is_open_or_unfollow(&self, partition: Partition) -> bool {
        let mut state = self.state();
        if state.clients.is_empty() {
            state.live = state.live.only(|other| other != partition);
        }
        !state.clients.is_empty()
    }

    /// Sends a batch to every socket.
    pub(super) fn publish(&self, partition: Partition, batch: &[RecordedEvent]) {
        let frames = frame::events(partition, batch, self.config.frame_bytes_max);
        let mut state = self.state();
        for events in frames {
            state.live.set(partition, events.last());
            state.send(false, FeedFrame::Events(events));
        }
        let is_sampled = |event: &&RecordedEvent| event.correlation.times.is_some();
        if state.clients.iter().any(|frame_queue| frame_queue.sampled) {
            let sampled = batch.iter().filter(is_sampled);
            for events in frame::events(partition, sampled, self.config.frame_bytes_max) {
                state.send(true, FeedFrame::Events(events));
            }
        }
    }

    /// Sends the times at which sampled events were applied to the sockets that follow those.
    pub(super) fn projected(&self, batches: &[Projected]) {
        if !batches.is_empty() {
            let frame = FeedFrame::Projected(frame::projected(batches));
            self.state().send(true, frame);
        }
    }

    /// Sends the read model's progress to the ordinary sockets: the partitions that moved.
    pub(super) fn applied(&self, now: &Positions) {
        let mut state = self.state();
        let mut news = Positions::NONE;
        for (partition, position) in now.iter() {
            let known = state.applied.as_ref();
            if known.is_none_or(|known| known.get(partition) < Some(position)) {
                news.raise(partition, position);
            }
        }
        // The first answer is sent even if it is empty: clients wait for it.
        if state.applied.is_none() || !news.is_empty() {
            state.send(false, FeedFrame::Applied(news.clone()));
        }
        state.applied.get_or_insert(Positions::NONE).merge(&news);
    }

    /// Whether a socket is still open; if not, forgets the read model's progress.
    pub(super) fn is_open_or_forget(&self) -> bool {
        let mut state = self.state();
        if state.clients.is_empty() {
            state.applied = None;
        }
        !state.clients.is_empty()
    }
}

fn live_positions(state: &HubState, partitions: &[Partition]) -> Option<Positions> {
    let mut positions = Positions::NONE;
    for partition in partitions {
        positions.raise(*partition, state.live.get(*partition)?);
    }
    Some(positions)
}
