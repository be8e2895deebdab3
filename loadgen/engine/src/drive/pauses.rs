//! The pauses of a driver's journeys, all ended by one pacing timer: the runtime's own timer ends up to a millisecond late, which would be
//! counted into the response time of the request after the pause.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::pacing::Pacer;

/// The pauses of one driver.
pub struct Pauses {
    waiting: Rc<Waiting>,
    waker: AbortHandle,
}

#[derive(Default)]
struct Waiting {
    /// The ends of the pauses, the earliest first; the number tells equal ends apart.
    ends: RefCell<BinaryHeap<Reverse<End>>>,
    next: Cell<u64>,
    /// Notified when a pause begins that ends before all others.
    earlier: Notify,
}

struct End {
    at: Instant,
    number: u64,
    over: oneshot::Sender<()>,
}

impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for End {}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for End {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Pauses {
    /// Starts the timer. Must be called within the driver's runtime.
    ///
    /// # Errors
    /// The operating system grants no timer.
    pub fn start() -> io::Result<Self> {
        let pacer = Pacer::start()?;
        let waiting = Rc::new(Waiting::default());
        let task = tokio::task::spawn_local(end_each(waiting.clone(), pacer));
        Ok(Self {
            waiting,
            waker: task.abort_handle(),
        })
    }

    /// Returns at this time, or at once when it is past. Dropping the wait is allowed.
    pub async fn until(&self, at: Instant) {
        if at <= Instant::now() {
            return;
        }
        let (over, ended) = oneshot::channel();
        let number = self.waiting.next.replace(self.waiting.next.get() + 1);
        let is_first = {
            let mut ends = self.waiting.ends.borrow_mut();
            let is_first = ends.peek().is_none_or(|Reverse(first)| at < first.at);
            ends.push(Reverse(End { at, number, over }));
            is_first
        };
        if is_first {
            self.waiting.earlier.notify_one();
        }
        // The sender is dropped only with the driver.
        ended.await.ok();
    }
}

impl Drop for Pauses {
    fn drop(&mut self) {
        self.waker.abort();
    }
}

/// Ends each pause at its time.
async fn end_each(waiting: Rc<Waiting>, pacer: Pacer) {
    loop {
        let first = waiting.ends.borrow().peek().map(|Reverse(end)| end.at);
        match first {
            None => waiting.earlier.notified().await,
            Some(at) => tokio::select! {
                biased;
                () = waiting.earlier.notified() => continue,
                () = pacer.wait_until(at) => {}
            },
        }
        let now = Instant::now();
        let mut ends = waiting.ends.borrow_mut();
        while ends.peek().is_some_and(|Reverse(end)| end.at <= now) {
            if let Some(Reverse(end)) = ends.pop() {
                // Nobody listens to a pause that was given up.
                end.over.send(()).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "local")]
    async fn pauses_end_in_the_order_of_their_ends_and_none_before_its_time() {
        let pauses = Rc::new(Pauses::start().unwrap());
        let ended = Rc::new(RefCell::new(Vec::new()));
        let start = Instant::now();
        let tasks = [9, 3, 3, 6, 0].map(|after_ms| {
            let (pauses, ended) = (pauses.clone(), ended.clone());
            tokio::task::spawn_local(async move {
                let at = start + Duration::from_millis(after_ms);
                pauses.until(at).await;
                assert!(Instant::now() >= at, "{after_ms} ms");
                ended.borrow_mut().push(after_ms);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*ended.borrow(), [0, 3, 3, 6, 9]);
    }

    #[tokio::test(flavor = "local")]
    async fn a_pause_that_begins_later_and_ends_earlier_does_not_wait_for_the_others() {
        let pauses = Rc::new(Pauses::start().unwrap());
        let start = Instant::now();
        let (long, of_long) = (start + Duration::from_secs(60), pauses.clone());
        let long = tokio::task::spawn_local(async move { of_long.until(long).await });
        // The timer is set for the long one by then.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        pauses.until(start + Duration::from_millis(5)).await;
        assert!(start.elapsed() < Duration::from_secs(30));
        long.abort();
    }

    #[tokio::test(flavor = "local")]
    async fn a_pause_that_was_given_up_does_not_delay_the_others() {
        let pauses = Pauses::start().unwrap();
        let later = Instant::now() + Duration::from_millis(5);
        let given_up = pauses.until(Instant::now() + Duration::from_millis(1));
        assert!(
            tokio::time::timeout(Duration::ZERO, given_up)
                .await
                .is_err()
        );
        pauses.until(later).await;
        assert!(Instant::now() >= later);
    }
}
