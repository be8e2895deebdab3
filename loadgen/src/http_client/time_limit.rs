//! The time limit of a connection's exchanges. Each exchange has its own end, but a timer is not set for each: nearly all of them end
//! in time, and setting a timer and taking it back is a tenth of what an exchange costs here. Must not know what is limited.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that stays set from one exchange to the next. It rings for the end of an earlier one, and is only then set for the one
/// under way: what is limited must therefore end later from time to time.
pub(super) struct TimeLimit(Pin<Box<Sleep>>);

impl TimeLimit {
    /// Set for a first end. Must be called within the runtime.
    pub fn new(end: Instant) -> Self {
        Self(Box::pin(tokio::time::sleep_until(end.into())))
    }

    /// What `work` comes to, unless it takes beyond `end`.
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
