//! The open HTTP connections: what each is doing, and which of them has been idle longest. Must not know what is sent over them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What one connection is doing. Times are milliseconds since the connections' start.
pub(super) struct Connection {
    start: Instant,
    /// Requests whose handler has not answered.
    handled: AtomicU32,
    /// The last byte that came or went.
    active_ms: AtomicU64,
    /// The first byte of a head that is not whole; 0 without one.
    head_ms: AtomicU64,
    /// Whether it has become a WebSocket, which has limits of its own.
    upgraded: AtomicBool,
    /// Whether its next request is refused.
    refused: AtomicBool,
    /// Cancelled when another connection needs its place.
    pub(super) closed: CancellationToken,
}

impl Connection {
    fn now_ms(&self) -> u64 {
        // The first millisecond must differ from 0, which means never.
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }

    /// Notes that bytes went out, or that a request has come and waits to be read.
    pub(super) fn active(&self) {
        self.active_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Notes that bytes came in.
    pub(super) fn read(&self) {
        let now = self.now_ms();
        self.active_ms.store(now, Ordering::Relaxed);
        if self.waits() && self.head_ms.load(Ordering::Relaxed) == 0 {
            self.head_ms.store(now, Ordering::Relaxed);
        }
    }

    /// Whether the next byte that comes is the first of a request.
    pub(super) fn begins(&self) -> bool {
        self.waits() && self.head_ms.load(Ordering::Relaxed) == 0
    }

    /// Notes that the request that is read next is refused.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Notes that a request's head has come whole; its handler runs until the guard is dropped.
    pub(super) fn request(self: &Arc<Self>) -> RequestGuard {
        self.head_ms.store(0, Ordering::Relaxed);
        self.handled.fetch_add(1, Ordering::Relaxed);
        RequestGuard {
            refused: self.refused.swap(false, Ordering::Relaxed),
            connection: Arc::clone(self),
        }
    }

    /// Whether it waits for the head of a request, or for its client to take an answer.
    fn waits(&self) -> bool {
        self.handled.load(Ordering::Relaxed) == 0 && !self.upgraded.load(Ordering::Relaxed)
    }

    /// How long it has been idle; `None` while a request is handled.
    pub(super) fn idle(&self) -> Option<Duration> {
        let idle = || {
            self.now_ms()
                .saturating_sub(self.active_ms.load(Ordering::Relaxed))
        };
        self.waits().then(|| Duration::from_millis(idle()))
    }

    /// How long it has been waiting for the rest of a head.
    pub(super) fn head_for(&self) -> Option<Duration> {
        let since = self.head_ms.load(Ordering::Relaxed);
        (since > 0 && self.waits())
            .then(|| Duration::from_millis(self.now_ms().saturating_sub(since)))
    }
}

/// A request that is handled.
pub(super) struct RequestGuard {
    connection: Arc<Connection>,
    /// Whether too much waits to begin it.
    pub(super) refused: bool,
}

impl RequestGuard {
    /// Notes that the connection is a WebSocket from now on.
    pub(super) fn upgrade(&self) {
        self.connection.upgraded.store(true, Ordering::Relaxed);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.connection.active();
        self.connection.handled.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All open connections.
pub(super) struct Connections {
    start: Instant,
    open: Mutex<Numbered>,
    /// Signals that a connection has ended.
    ended: Notify,
}

#[derive(Default)]
struct Numbered {
    next: u64,
    by_number: HashMap<u64, Arc<Connection>>,
}

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            open: Mutex::default(),
            ended: Notify::new(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Numbered> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection; it counts until the place is dropped.
    pub(super) fn add(self: &Arc<Self>) -> Place {
        let connection = Arc::new(Connection {
            start: self.start,
            handled: AtomicU32::new(0),
            active_ms: AtomicU64::new(0),
            head_ms: AtomicU64::new(0),
            upgraded: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            closed: CancellationToken::new(),
        });
        connection.active();
        let mut open = self.open();
        open.next += 1;
        let number = open.next;
        open.by_number.insert(number, Arc::clone(&connection));
        Place {
            connections: Arc::clone(self),
            number,
            connection,
        }
    }

    /// Waits until fewer than `max` are open. Closes the one that has been idle longest, if it has been for `idle_min`.
    pub(super) async fn make_place(&self, max: usize, idle_min: Duration) {
        while self.open().by_number.len() >= max {
            if !self.close_idle(idle_min) {
                // One of them may become idle for long enough without any other ending.
                let _ = tokio::time::timeout(idle_min, self.ended.notified()).await;
            }
        }
    }

    /// Closes the connection that has been idle longest, if it has been for `idle_min`.
    pub(super) fn close_idle(&self, idle_min: Duration) -> bool {
        let mut open = self.open();
        let idle = open
            .by_number
            .iter()
            .filter_map(|(number, connection)| Some((connection.idle()?, *number)));
        let Some((_, number)) = idle.max().filter(|(idle, _)| *idle >= idle_min) else {
            return false;
        };
        if let Some(connection) = open.by_number.remove(&number) {
            connection.closed.cancel();
        }
        true
    }
}

/// A connection's place among the open ones.
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(super) connection: Arc<Connection>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().by_number.remove(&self.number);
        self.connections.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_MIN: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn the_longest_idle_connection_gives_up_its_place_and_a_busy_one_never() {
        let connections = Connections::new();
        let busy = connections.add();
        let handled = busy.connection.request();
        let first = connections.add();
        tokio::time::sleep(IDLE_MIN).await;
        let second = connections.add();

        connections.make_place(3, IDLE_MIN).await;
        let closed = [&busy, &first, &second].map(|place| place.connection.closed.is_cancelled());
        assert_eq!(closed, [false, true, false]);

        connections.make_place(2, IDLE_MIN).await;
        assert!(second.connection.closed.is_cancelled());

        let waiting = connections.make_place(1, IDLE_MIN);
        let waited = tokio::time::timeout(IDLE_MIN * 10, waiting).await;
        assert!(waited.is_err(), "a busy connection was closed");
        drop(handled);
        connections.make_place(1, IDLE_MIN).await;
        assert!(busy.connection.closed.is_cancelled());
    }

    #[tokio::test]
    async fn a_head_is_timed_from_its_first_byte_until_it_is_whole() {
        let connections = Connections::new();
        let connection = connections.add().connection.clone();
        assert_eq!(connection.head_for(), None);
        connection.read();
        tokio::time::sleep(IDLE_MIN).await;
        connection.read();
        assert!(connection.head_for() >= Some(IDLE_MIN));
        let handled = connection.request();
        connection.read();
        assert_eq!((connection.head_for(), connection.idle()), (None, None));
        drop(handled);
        tokio::time::sleep(IDLE_MIN).await;
        assert_eq!(connection.head_for(), None);
        assert!(connection.idle() >= Some(IDLE_MIN));
    }
}
