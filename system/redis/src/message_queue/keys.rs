//! The names of the keys. The keys of one queue have its name as hash tag and so share one slot of a cluster; a caller's reply list has a
//! slot of its own.

use std::fmt::Display;

/// Sorted set: process → its last heartbeat (ms, Redis's clock).
pub(super) const PROCESSES: &str = "mq:processes";

/// The keys of one queue.
#[derive(Clone, Debug)]
pub(super) struct QueueKeys {
    /// List: the waiting messages, oldest first.
    pub source: String,
    /// Sorted set: messages to be delivered again, by the time they are due (ms, Redis's clock).
    pub delayed: String,
    /// List: dead letters, oldest first.
    pub dead: String,
    /// Sorted set: worker → when it was enrolled (ms, Redis's clock).
    pub workers: String,
    /// List: messages that several workers died of, delivered one by one.
    pub suspects: String,
}

impl QueueKeys {
    pub(super) fn new(queue: impl Display) -> Self {
        let source = source(queue);
        Self {
            delayed: format!("{source}:delayed"),
            dead: format!("{source}:dead"),
            workers: format!("{source}:workers"),
            suspects: format!("{source}:suspects"),
            source,
        }
    }

    /// List: the messages that a worker has taken and not answered.
    pub(super) fn processing(&self, worker: &str) -> String {
        format!("{}:processing:{worker}", self.source)
    }

    /// String: what became of an accepted message; empty as long as that is open. The scripts know this name too.
    pub(super) fn outcome(&self, message_id: &str) -> String {
        format!("{}:outcome:{message_id}", self.source)
    }
}

/// The process of a worker, whose name is that of the process and a number.
pub(super) fn process_of(worker: &str) -> &str {
    worker.rsplit_once('-').map_or("", |(process, _)| process)
}

/// List: the waiting messages.
pub(super) fn source(queue: impl Display) -> String {
    format!("mq:{{{queue}}}")
}

/// List: the replies to one caller.
pub(super) fn replies(caller: &str) -> String {
    format!("mq:reply:{{{caller}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordershop_contract::message_queue::QueueName;

    #[test]
    fn all_keys_of_a_queue_share_its_hash_tag() {
        let keys = QueueKeys::new(QueueName {
            service: "order-service",
            function: "create_orders",
        });
        assert_eq!(keys.source, "mq:{order-service.create_orders}");
        assert_eq!(
            keys.processing("w-1"),
            "mq:{order-service.create_orders}:processing:w-1"
        );
        let outcome = keys.outcome("m-1");
        for key in [
            &keys.delayed,
            &keys.dead,
            &keys.workers,
            &keys.suspects,
            &outcome,
        ] {
            assert!(
                key.starts_with("mq:{order-service.create_orders}:"),
                "{key}"
            );
        }
        assert_eq!(replies("c"), "mq:reply:{c}");
    }
}
