//! The time limit of a connection's exchanges. Each exchange has its own end, but not its own timer: nearly all end
//! in time, and setting and cancelling a timer is a tenth of an exchange's cost. Must not know what is limited.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that stays set from one exchange to the next. It fires at the end of an earlier exchange, and only then is set for the
/// current one: limits must therefore never be earlier than the ones before.
pub(super) struct TimeLimit(Pin<Box<Sleep>>);

impl TimeLimit {
    /// A timer set for a first end. Must be called within the runtime.
    pub fn new(end: Instant) -> Self {
        Self(Box::pin(tokio::time::sleep_until(end.into())))
    }

    /// The result of `work`; `None` if it is not done by `end`.
    pub async fn keep<F: Future>(
        &mut self,
        end: Instant,
        mut work: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            while self.0.as_mut().poll(context).is_ready() {
                if Instant::now() >= end {
                    return Poll::Ready(None);
                }
                self.0.as_mut().reset(end.into());
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn each_piece_of_work_has_its_own_end_whatever_the_timer_was_set_for() {
        let first = Instant::now() + Duration::from_millis(2);
        let mut limit = TimeLimit::new(first);

        assert_eq!(limit.keep(first, pin!(ready(1))).await, Some(1));
        let later = first + Duration::from_millis(20);
        assert_eq!(limit.keep(later, pin!(pending::<u8>())).await, None);

        assert!(Instant::now() >= later, "not at the first one's end");
    }
}
