//! Waits for a call's reply. A call that gives up withdraws its message: if it still waits in the queue, it is surely not begun. Knows
//! nothing of how replies arrive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ordershop_contract::message_queue::{OutgoingMessage, QueueError, QueueName};
use tokio::sync::oneshot;

use super::envelope::Envelope;
use super::keys;
use super::shared::QueueShared;
use super::waiters::{CallResult, Ticket};
use ordershop_contract::admission::AdmittedCall;

/// A call whose message is sent, or about to be.
pub(super) struct WaitingCall<'a> {
    ticket: Ticket<'a>,
    answer: oneshot::Receiver<CallResult>,
    place: AdmittedCall<'a>,
    queue: QueueName,
    timeout: Duration,
    /// The message as it is in the queue.
    pub encoded: Arc<[u8]>,
}

impl<'a> WaitingCall<'a> {
    /// Registers a call. Do it before the message is sent, as the reply may arrive before Redis's answer to the push.
    ///
    /// # Errors
    /// Too much waits already, or the queue is closed.
    pub(super) fn register(
        shared: &'a QueueShared,
        message: &OutgoingMessage,
        timeout: Duration,
    ) -> Result<Self, QueueError> {
        let place = shared.overload.admit(message.to, timeout)?;
        let (ticket, answer) = shared.waiters.wait(Arc::from(&*message.message_id))?;
        let deadline_ms = Instant::now().checked_add(timeout);
        let deadline_ms = deadline_ms.and_then(|deadline| shared.clock.ms_at(deadline));
        let envelope = Envelope {
            reply_to: (&*shared.reply_key).into(),
            deadline_ms: deadline_ms.unwrap_or_default(),
            ..Envelope::of(message)
        };
        Ok(Self {
            ticket,
            answer,
            place,
            queue: message.to,
            timeout,
            encoded: envelope.encode().into(),
        })
    }

    /// Waits for the reply.
    ///
    /// # Errors
    /// No reply came in time, or none will come.
    pub(super) async fn reply(self, shared: &QueueShared) -> CallResult {
        if let Some(result) = self.ticket.reply(self.answer, self.timeout).await {
            if result.is_ok() {
                self.place.answered();
            }
            return result;
        }
        let queue = self.queue.to_string();
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        Err(if withdraw(shared, self.queue, &self.encoded).await {
            QueueError::NotBegun { queue, timeout_ms }
        } else {
            QueueError::Timeout { queue, timeout_ms }
        })
    }
}

/// Takes a message out of the queue; `false` if it isn't there (a worker has taken it), or Redis doesn't say so in time.
async fn withdraw(shared: &QueueShared, queue: QueueName, encoded: &[u8]) -> bool {
    // The same connection as the push's: Redis carries them out in this order. It looks from the oldest message on, which this one mostly is.
    let mut connection = shared.connection.clone();
    let mut lrem = redis::cmd("LREM");
    lrem.arg(keys::source(queue)).arg(1).arg(encoded);
    let removed = lrem.query_async::<u64>(&mut connection);
    let limit = Duration::from_millis(shared.config.withdraw_ms_max);
    let removed = tokio::time::timeout(limit, removed).await;
    let withdrawn = matches!(removed, Ok(Ok(1..)));
    if withdrawn {
        shared.expired(queue, 1);
    }
    withdrawn
}
