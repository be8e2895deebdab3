//! The replies to requests that were sent through this server, kept until they are acknowledged or expire. Bounded in number and
//! bytes. Must not know how requests are sent.

use std::sync::{Arc, Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Most requests whose reply is awaited or kept.
const REQUESTS_MAX: usize = 10_000;
/// Most bytes of kept replies.
const REPLIES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A request's key: `service.function`, message id.
pub(super) type RequestKey = (String, String);
/// A reply's JSON; `None` until it arrives.
pub(super) type AwaitedReply = Option<Arc<str>>;

#[derive(Debug)]
struct PendingReply {
    number: u64,
    reply: watch::Sender<AwaitedReply>,
    forgotten: CancellationToken,
}

#[derive(Debug, Default)]
struct ReplyTable {
    opened: u64,
    bytes: usize,
    entries: FxHashMap<RequestKey, PendingReply>,
}

/// All awaited and kept replies of a server.
#[derive(Debug, Default)]
pub(super) struct Replies(Mutex<ReplyTable>);

/// A request's entry in [`Replies`]; removed when dropped.
#[derive(Debug)]
pub(super) struct Awaited {
    replies: Arc<Replies>,
    key: RequestKey,
    number: u64,
    /// Cancelled when the reply was acknowledged.
    pub forgotten: CancellationToken,
}

impl Replies {
    fn lock(&self) -> MutexGuard<'_, ReplyTable> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Adds an entry for a reply; called before the request is sent.
    pub fn open(self: &Arc<Self>, key: RequestKey) -> Result<Awaited, Status> {
        let mut table = self.lock();
        if table.entries.contains_key(&key) {
            return Err(Status::already_exists(format!(
                "message {} was already sent to {}, and its response is not acknowledged",
                key.1, key.0
            )));
        }
        if table.entries.len() >= REQUESTS_MAX {
            return Err(Status::resource_exhausted(format!(
                "{REQUESTS_MAX} requests await a response or its acknowledgement; acknowledge some"
            )));
        }
        table.opened += 1;
        let number = table.opened;
        let forgotten = CancellationToken::new();
        let entry = PendingReply {
            number,
            reply: watch::Sender::new(None),
            forgotten: forgotten.clone(),
        };
        table.entries.insert(key.clone(), entry);
        Ok(Awaited {
            replies: Arc::clone(self),
            key,
            number,
            forgotten,
        })
    }

    /// A receiver that shows the reply when it arrives; closed when the entry is removed.
    pub fn of(&self, key: &RequestKey) -> Option<watch::Receiver<AwaitedReply>> {
        let table = self.lock();
        table.entries.get(key).map(|entry| entry.reply.subscribe())
    }

    /// Removes a reply that has arrived. Returns whether there was one.
    pub fn acknowledge(&self, key: &RequestKey) -> bool {
        let mut table = self.lock();
        let there = table.entries.get(key);
        if there.is_none_or(|entry| entry.reply.borrow().is_none()) {
            return false;
        }
        table.remove(key);
        true
    }
}

impl ReplyTable {
    fn remove(&mut self, key: &RequestKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.reply.borrow().as_ref().map_or(0, |text| text.len());
            entry.forgotten.cancel();
        }
    }
}

impl Awaited {
    /// Stores the reply that has arrived.
    pub fn arrived(&self, payload: &RawValue) {
        let mut table = self.replies.lock();
        let ReplyTable { bytes, entries, .. } = &mut *table;
        let Some(entry) = entries.get(&self.key) else {
            return;
        };
        let text = if *bytes + payload.get().len() > REPLIES_BYTES_MAX {
            tracing::warn!(
                queue = self.key.0,
                msg_id = self.key.1,
                "too many unacknowledged replies; dropped one"
            );
            r#"{"error":"there was no room to keep the response: too many are not acknowledged"}"#
        } else {
            payload.get()
        };
        *bytes += text.len();
        entry.reply.send_replace(Some(Arc::from(text)));
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut table = self.replies.lock();
        // After an acknowledgement, the key may belong to another request.
        if table
            .entries
            .get(&self.key)
            .is_some_and(|entry| entry.number == self.number)
        {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> RequestKey {
        ("s.f".to_owned(), id.to_owned())
    }

    fn json(bytes: usize) -> Box<RawValue> {
        RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()
    }

    #[test]
    fn a_reply_is_shown_until_it_is_acknowledged_once() {
        let replies = Arc::new(Replies::default());
        let awaited = replies.open(key("a")).unwrap();
        assert!(!replies.acknowledge(&key("a")), "nothing has come");
        awaited.arrived(&json(5));
        for _ in 0..2 {
            let shown = replies.of(&key("a")).unwrap();
            assert_eq!(shown.borrow().as_deref(), Some("\"xxx\""));
        }
        assert!(replies.acknowledge(&key("a")));
        assert!(!replies.acknowledge(&key("a")));
        assert!(replies.of(&key("a")).is_none() && awaited.forgotten.is_cancelled());
        assert_eq!(replies.lock().bytes, 0);
    }

    #[test]
    fn an_id_is_free_again_after_its_reply_and_the_old_place_takes_nothing_along() {
        let replies = Arc::new(Replies::default());
        let first = replies.open(key("a")).unwrap();
        assert!(replies.open(key("a")).is_err());
        first.arrived(&json(5));
        assert!(replies.acknowledge(&key("a")));
        let second = replies.open(key("a")).unwrap();
        drop(first);
        assert!(replies.of(&key("a")).is_some());
        drop(second);
        assert!(replies.of(&key("a")).is_none());
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let replies = Arc::new(Replies::default());
        let mut held: Vec<Awaited> = (0..10_000)
            .map(|n| replies.open(key(&n.to_string())).unwrap())
            .collect();
        assert!(replies.open(key("more")).is_err());
        held.truncate(3);
        held[0].arrived(&json(REPLIES_BYTES_MAX - 100));
        held[1].arrived(&json(200));
        let shown = replies.of(&held[1].key).unwrap();
        assert!(shown.borrow().as_ref().unwrap().contains("no room"));
        held.clear();
        assert_eq!(replies.lock().bytes, 0);
    }
}
