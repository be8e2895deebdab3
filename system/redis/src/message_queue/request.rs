//! A call in two steps: the queue has the message, then the reply arrives. For callers that must report in between that it was sent.

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
    let id: Arc<str> = Arc::from(message.message_id.as_str());
    let sending = async {
        shared.overload.check(message.to)?;
        let waiting = shared.waiters.wait(id)?;
        let (owner, pushed) = oneshot::channel();
        let encoded = Envelope::of(&message, &shared.reply_key).encode();
        shared.put(message.to, Messages::One(encoded), Owner::Send(owner))?;
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
    ticket.reply(answer, message.to, timeout).await
}
