//! A call in two steps: the queue has the message, then the reply arrives. For callers that must report in between that it was sent: it is
//! accepted then, so it has no deadline, and is carried out even if nobody waits for its reply any more.

use std::sync::Arc;
use std::time::Duration;

use ordershop_contract::open_queue::PendingReply;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::envelope::Envelope;
use super::outbox::{Messages, Owner};
use super::shared::QueueShared;
use super::waiters::CallResult;
use ordershop_contract::message_queue::{OutgoingMessage, QueueError};

type Pushed = oneshot::Sender<Result<(), QueueError>>;

/// Sends a message. Returns when Redis has it; then the reply is to be awaited.
pub(super) async fn request(
    shared: Arc<QueueShared>,
    message: OutgoingMessage,
    timeout: Duration,
) -> Result<PendingReply, QueueError> {
    let (told, pushed) = oneshot::channel();
    let waiting = wait(shared, message, timeout, told);
    let reply = AbortOnDropHandle::new(tokio::spawn(waiting));
    pushed.await.unwrap_or(Err(QueueError::Closed))?;
    // No code aborts the task and it doesn't panic, so only the end of the runtime cancels it.
    Ok(Box::pin(async move {
        reply.await.unwrap_or(Err(QueueError::Closed))
    }))
}

/// Registers the call before it sends the message, as the reply may arrive before Redis's answer to the push.
async fn wait(
    shared: Arc<QueueShared>,
    message: OutgoingMessage,
    timeout: Duration,
    told: Pushed,
) -> CallResult {
    let sending = async {
        shared.overload.check(message.to)?;
        let waiting = shared.waiters.wait(Arc::from(&*message.message_id))?;
        let (owner, pushed) = oneshot::channel();
        let envelope = Envelope {
            reply_to: (&*shared.reply_key).into(),
            ..Envelope::of(&message)
        };
        let encoded = Messages::One(envelope.encode().into());
        shared.put(message.to, encoded, Owner::Send(owner))?;
        pushed.await.unwrap_or(Err(QueueError::Closed))?;
        Ok(waiting)
    };
    let (ticket, answer) = match sending.await {
        Ok(waiting) => waiting,
        Err(error) => {
            let _ = told.send(Err(QueueError::clone(&error)));
            return Err(error);
        }
    };
    let _ = told.send(Ok(()));
    let reply = ticket.reply(answer, timeout).await;
    reply.unwrap_or_else(|| {
        Err(QueueError::Timeout {
            queue: message.to.to_string(),
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        })
    })
}
