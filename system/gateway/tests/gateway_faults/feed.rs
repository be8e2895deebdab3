//! A client of the live feed that doesn't read is disconnected; it costs no memory, and other clients miss no events.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::fakes::{FakeQueue, FakeStore};
use crate::gate::{Gate, Socket, WAIT_MAX};

const EVENT_BYTES: usize = 64 << 10;
const LAG_BYTES_MAX: usize = 1 << 20;
/// The number of events: far more than the kernel buffers of a loopback connection and the allowed lag can hold.
const MANY: usize = (512 << 20) / EVENT_BYTES;
/// The maximum growth of memory: less than half the size of [`MANY`] events. Leaves room for the kernel's copies, the allocator, and
/// concurrent tests.
const GROWTH_BYTES_MAX: usize = 192 << 20;
const QUIET_CHECK: Duration = Duration::from_millis(20);
const QUIET_CHECKS: u32 = 10;

async fn gate(store: &Arc<FakeStore>) -> Gate {
    let queue = FakeQueue::replies("{}");
    Gate::tuned(queue, Arc::clone(store), |config| {
        config.feed.lag_bytes_max = LAG_BYTES_MAX;
        config.feed.sockets_max = 2;
    })
    .await
}

async fn until_hello(socket: &mut Socket) {
    loop {
        let message = tokio::time::timeout(WAIT_MAX, socket.next()).await;
        let message = message.expect("no hello came").unwrap().unwrap();
        if message.to_text().unwrap().contains("hello") {
            return;
        }
    }
}

/// Reads up to the next event; returns its version.
async fn next_event(socket: &mut Socket) -> usize {
    loop {
        let message = tokio::time::timeout(WAIT_MAX, socket.next()).await;
        let message = message.expect("no event came").unwrap().unwrap();
        // Pings come too when the test takes long.
        let Message::Text(text) = message else {
            continue;
        };
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        if let Some(event) = frame["events"].get(0) {
            return usize::try_from(event["version"].as_u64().unwrap()).unwrap();
        }
    }
}

/// Waits until the store gets no requests for a while (well below the timeout of a close frame); returns the number of events it delivered.
async fn until_quiet(store: &FakeStore) -> u64 {
    let (mut delivered, mut unchanged) = (0, 0);
    while unchanged < QUIET_CHECKS {
        tokio::time::sleep(QUIET_CHECK).await;
        let now = store.delivered.load(Ordering::SeqCst);
        unchanged = if now == delivered && now > 0 {
            unchanged + 1
        } else {
            0
        };
        delivered = now;
    }
    delivered
}

/// The process's resident memory in bytes; 0 on a system without procfs.
fn resident_bytes() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_disconnected_without_cost_to_memory_or_other_clients() {
    let store = Arc::new(FakeStore::with_events_of(EVENT_BYTES));
    let gate = gate(&store).await;
    let mut idle = gate.listen().await.unwrap();
    until_hello(&mut idle).await;
    let mut reader = gate.listen().await.unwrap();
    until_hello(&mut reader).await;
    let before = resident_bytes();

    for n in 1..=MANY {
        store.events.add_permits(1);
        assert_eq!(next_event(&mut reader).await, n, "an event is missing");
    }

    let growth = resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more");
    // The slot of the slow client is free: the gateway has disconnected it, and not because the gateway closes.
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    while let Err(error) = gate.listen().await {
        assert!(matches!(error, Error::Http(_)), "{error}");
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::task::yield_now().await;
    }
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_again_too_late_is_closed_with_try_again() {
    let store = Arc::new(FakeStore::with_events_of(EVENT_BYTES));
    let gate = gate(&store).await;
    let mut socket = gate.listen().await.unwrap();
    until_hello(&mut socket).await;

    // A client that listens alone: after it is disconnected, the store gets no more requests.
    store.events.add_permits(MANY);
    let delivered = until_quiet(&store).await;

    let closed = tokio::time::timeout(WAIT_MAX, async {
        loop {
            let message = socket.next().await.expect("no close frame came");
            if let Message::Close(frame) = message.unwrap() {
                return frame.unwrap();
            }
        }
    })
    .await
    .expect("it was never closed");
    assert_eq!(closed.code, CloseCode::Again);
    assert!(closed.reason.contains("after="), "{}", closed.reason);
    assert!(delivered < MANY as u64, "it was never cut off");
}
