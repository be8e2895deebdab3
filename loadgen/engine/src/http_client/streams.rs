//! One connection of HTTP/2, and the places of requests on it. Must not know the other connections.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;

use super::stream::Stream;

type Connection = http2::Connection<TokioIo<Stream>, Full<Bytes>, TokioExecutor>;

/// A connection, shared with the task that keeps it going; asked how many streams the target allows now. Nothing once it takes no more
/// requests: dropped, it gives those back that wait in it, and its sender is closed.
type Shared = Arc<Mutex<Option<Connection>>>;

/// A connection.
pub(super) struct Streams {
    pub sender: SendRequest<Full<Bytes>>,
    in_use: Cell<usize>,
    /// Whether the target has answered on it.
    pub answered: Cell<bool>,
    shared: Shared,
    released: Arc<Notify>,
}

impl Streams {
    /// Starts the task of a connection. `released` is told when a place was left, and when the connection has ended.
    pub fn start(
        (sender, connection): (SendRequest<Full<Bytes>>, Connection),
        released: Arc<Notify>,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(keep_going(shared.clone(), released.clone()));
        Self {
            sender,
            in_use: Cell::new(0),
            answered: Cell::new(false),
            shared,
            released,
        }
    }

    /// Whether it takes no more requests.
    pub fn is_over(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether one more request may go out on it.
    pub fn has_room(&self, streams_max: usize) -> bool {
        let connection = lock(&self.shared);
        let allowed = connection.as_ref();
        let allowed = allowed.map_or(0, Connection::current_max_send_streams);
        // A target that allows none for now is asked for one, which waits in the connection.
        self.in_use.get() < streams_max.min(allowed).max(1)
    }

    /// How many requests are on it.
    pub fn in_use(&self) -> usize {
        self.in_use.get()
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Connection>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a connection going until it takes no more requests.
async fn keep_going(shared: Shared, released: Arc<Notify>) {
    let ended = poll_fn(|context| {
        let mut shared = lock(&shared);
        let Some(connection) = shared.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        let ended = ready!(Pin::new(connection).poll(context));
        *shared = None;
        Poll::Ready(ended)
    });
    if let Err(problem) = ended.await {
        tracing::debug!(%problem, "a connection ended");
    }
    released.notify_one();
}

/// The place of one request on a connection.
pub(super) struct Place(Rc<Streams>);

impl Place {
    /// Takes one.
    pub fn on(streams: Rc<Streams>) -> Self {
        streams.in_use.set(streams.in_use.get() + 1);
        Self(streams)
    }

    /// The connection.
    pub fn streams(&self) -> &Streams {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_use.set(self.0.in_use.get() - 1);
        self.0.released.notify_one();
    }
}
