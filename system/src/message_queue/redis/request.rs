//! A call in two steps: the queue has the message, then the reply arrives. For callers that must report in between that it was sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::envelope::Envelope;
use super::outbox::{Messages, Owner};
use super::waiters::CallResult;
use super::{RedisMessageQueue, Shared};
use crate::message_queue::{OutgoingMessage, QueueError};

type Pushed = oneshot::Sender<Result<(), QueueError>>;

/// The reply to a message that was sent. If it is dropped, the reply is discarded.
#[derive(Debug)]
pub struct PendingReply(AbortOnDropHandle<CallResult>);

impl Future for PendingReply {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CallResult> {
        Pin::new(&mut self.0)
            .poll(context)
            // No code aborts the task and it doesn't panic, so only the end of the runtime cancels it.
            .map(|reply| reply.unwrap_or(Err(QueueError::Closed)))
    }
}

impl RedisMessageQueue {
    /// Sends a message. Returns when the queue has it (with the configured durability). The reply comes within `timeout` from then, or is
    /// [`QueueError::Timeout`].
    ///
    /// # Errors
    /// The queue is too long, unreachable or closed; if it is unreachable, the message may have been sent.
    pub async fn request(
        &self,
        message: OutgoingMessage,
        timeout: Duration,
    ) -> Result<PendingReply, QueueError> {
        let (told, pushed) = oneshot::channel();
        let waiting = wait(Arc::clone(&self.shared), message, timeout, told);
        let reply = AbortOnDropHandle::new(tokio::spawn(waiting));
        pushed.await.unwrap_or(Err(QueueError::Closed))?;
        Ok(PendingReply(reply))
    }
}

/// Registers the call before it sends the message, as the reply may arrive before Redis's answer to the push.
async fn wait(
    shared: Arc<Shared>,
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
