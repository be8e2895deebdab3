//! The queue of frames for one socket: bounded in bytes, so that a slow client loses its connection instead of using up memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::frame::FeedFrame;

/// Memory that a waiting frame takes beside its text.
const FRAME_OVERHEAD_BYTES: usize = 256;

/// Frames that wait to be sent to one socket.
pub(crate) struct FrameQueue {
    bytes_max: usize,
    /// Whether this socket follows only sampled requests.
    pub(crate) sampled: bool,
    waiting: Mutex<QueuedFrames>,
    filled: Notify,
    /// Cancelled when more than `bytes_max` waited.
    pub(crate) too_slow: CancellationToken,
    /// Cancelled when the event store went back: what was sent may never have been.
    pub(crate) went_back: CancellationToken,
}

#[derive(Default)]
struct QueuedFrames {
    frames: VecDeque<Arc<FeedFrame>>,
    bytes: usize,
    /// Whether events are accepted yet; before that, the socket reads history.
    live: bool,
}

impl FrameQueue {
    pub(crate) fn new(bytes_max: usize, sampled: bool) -> Self {
        Self {
            bytes_max,
            sampled,
            waiting: Mutex::default(),
            filled: Notify::new(),
            too_slow: CancellationToken::new(),
            went_back: CancellationToken::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, QueuedFrames> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts events from now on.
    pub(crate) fn go_live(&self) {
        self.waiting().live = true;
    }

    /// Adds a frame; drops everything if more than `bytes_max` would wait.
    pub(crate) fn push(&self, frame: &Arc<FeedFrame>) {
        let text = match &**frame {
            FeedFrame::Events(events) => events.text.len(),
            FeedFrame::Applied(_) | FeedFrame::Projected(_) => 0,
        };
        let mut waiting = self.waiting();
        if self.too_slow.is_cancelled() || (text > 0 && !waiting.live) {
            return;
        }
        waiting.bytes += text + FRAME_OVERHEAD_BYTES;
        if waiting.bytes > self.bytes_max {
            *waiting = QueuedFrames::default();
            self.too_slow.cancel();
            return;
        }
        waiting.frames.push_back(Arc::clone(frame));
        drop(waiting);
        self.filled.notify_one();
    }

    /// Takes all waiting frames; waits until there is at least one.
    pub(crate) async fn take(&self) -> VecDeque<Arc<FeedFrame>> {
        loop {
            let frames = {
                let mut waiting = self.waiting();
                waiting.bytes = 0;
                std::mem::take(&mut waiting.frames)
            };
            if !frames.is_empty() {
                return frames;
            }
            self.filled.notified().await;
        }
    }
}
