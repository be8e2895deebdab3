//! The turnstile: which requests are read from their sockets now. A turn is a round of the runtime: all that was accepted goes on once before
//! more is read. What waits unread costs nothing. When it waits too long, further requests are refused, but only so many in a turn that most of
//! the time is left for those that are read. Must not know what is read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use ordershop_contract::call_flow::Flow;
use tokio::sync::{Notify, oneshot};

/// The requests that are read in one turn.
const READ_PER_TURN: usize = 32;
/// The requests that are refused in one turn, for each that is read: at three times what can be read it is two.
const REFUSED_PER_READ: usize = 4;
/// Those that are refused in a turn that reads none.
const REFUSED_MIN: usize = 4;
/// A line that is this long may wait: the least that a flow knows, 250 ms.
const WAIT: Duration = Duration::ZERO;

/// What becomes of a request whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is read.
    Admitted,
    /// It is read only to be answered that too much waits.
    Refused,
}

/// Lets requests pass, turn by turn.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    line: Mutex<Line>,
    /// Signals that one waits where none did.
    filled: Notify,
}

/// The requests that wait for their turn.
#[derive(Debug, Default)]
struct Line {
    /// The requests read since the last turn.
    read: usize,
    flow: Flow,
    admitted: VecDeque<oneshot::Sender<Verdict>>,
    refused: VecDeque<oneshot::Sender<Verdict>>,
}

impl Turnstile {
    /// Lets a request pass that has come now: `None` if it needn't wait, else its verdict comes with its turn.
    pub(super) fn enter(&self) -> Option<oneshot::Receiver<Verdict>> {
        let mut line = self.line();
        let was_empty = line.is_empty();
        let turn = line.enter(Instant::now);
        drop(line);
        if was_empty && turn.is_some() {
            self.filled.notify_one();
        }
        turn
    }

    /// Whether requests wait for their turn.
    pub(super) fn is_crowded(&self) -> bool {
        !self.line().is_empty()
    }

    /// Lets those that wait through, turn by turn. Never ends.
    pub(super) async fn run(&self) {
        loop {
            self.filled.notified().await;
            while !self.line().is_empty() {
                turn().await;
                self.line().begin_turn();
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn is_empty(&self) -> bool {
        self.admitted.is_empty() && self.refused.is_empty()
    }

    /// Most requests come when nobody waits, and need no time.
    fn enter(&mut self, now: impl FnOnce() -> Instant) -> Option<oneshot::Receiver<Verdict>> {
        if self.is_empty() && self.read < READ_PER_TURN {
            self.read += 1;
            return None;
        }
        let (turn, waiting) = oneshot::channel();
        match self.flow.admit(WAIT, now()) {
            Ok(()) => self.admitted.push_back(turn),
            Err(_) => self.refused.push_back(turn),
        }
        Some(waiting)
    }

    fn begin_turn(&mut self) {
        self.read = 0;
        while self.read < READ_PER_TURN
            && let Some(turn) = self.admitted.pop_front()
        {
            // A connection that is gone takes no place.
            let reads = turn.send(Verdict::Admitted).is_ok();
            self.flow.leave(reads);
            self.read += usize::from(reads);
        }
        let mut refusals = self.read * REFUSED_PER_READ + REFUSED_MIN;
        while refusals > 0
            && let Some(turn) = self.refused.pop_front()
        {
            refusals -= usize::from(turn.send(Verdict::Refused).is_ok());
        }
    }
}

/// Waits until all tasks that are ready now have run once. tokio's `yield_now` waits for fewer: it runs next once the I/O was looked at.
pub(super) async fn turn() {
    let mut is_over = false;
    poll_fn(|cx| {
        if is_over {
            return Poll::Ready(());
        }
        is_over = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Turn = oneshot::Receiver<Verdict>;

    /// The verdicts that have come, in the order of the line; those are taken out of it.
    fn passed(waiting: &mut Vec<Turn>) -> Vec<Verdict> {
        let mut passed = Vec::new();
        waiting.retain_mut(|turn| match turn.try_recv() {
            Ok(verdict) => {
                passed.push(verdict);
                false
            }
            Err(_) => true,
        });
        passed
    }

    #[test]
    fn a_turns_requests_pass_at_once_and_the_rest_in_their_order() {
        let (mut line, now) = (Line::default(), Instant::now());
        let entered: Vec<_> = (0..READ_PER_TURN * 3).map(|_| line.enter(|| now)).collect();
        let at_once = entered.iter().take_while(|turn| turn.is_none()).count();
        assert_eq!(at_once, READ_PER_TURN);
        let mut waiting: Vec<Turn> = entered.into_iter().flatten().collect();
        // Those that are gone take nobody's place.
        drop(waiting.drain(..READ_PER_TURN / 2));

        line.begin_turn();
        let mut later = waiting.split_off(READ_PER_TURN);
        assert_eq!(passed(&mut waiting), [Verdict::Admitted; READ_PER_TURN]);
        assert_eq!(passed(&mut later), []);
        line.begin_turn();
        assert_eq!(passed(&mut later).len(), READ_PER_TURN / 2);
        assert!(line.is_empty());
    }

    #[test]
    fn each_turn_reads_as_much_as_it_can_however_many_are_refused() {
        const TURN: Duration = Duration::from_millis(50);
        let (mut line, mut now) = (Line::default(), Instant::now());
        let mut waiting = Vec::new();
        let mut refused = 0;
        for turn in 0..200 {
            waiting.extend((0..READ_PER_TURN * 3).filter_map(|_| line.enter(|| now)));
            now += TURN;
            line.begin_turn();
            let passed = passed(&mut waiting);
            let read = passed
                .iter()
                .filter(|&&verdict| verdict == Verdict::Admitted);
            assert_eq!(read.count(), READ_PER_TURN, "turn {turn}");
            refused += passed.len() - READ_PER_TURN;
        }
        assert!(refused > 0);
        // 250 ms are five turns.
        assert!(
            line.admitted.len() <= 5 * READ_PER_TURN,
            "{}",
            line.admitted.len()
        );
        assert!(line.refused.is_empty());
    }

    #[tokio::test]
    async fn a_turn_is_over_when_all_that_was_ready_has_run() {
        const TASKS: usize = 200;
        let ran = Arc::<AtomicUsize>::default();
        let turn = tokio::spawn(async move {
            for _ in 0..TASKS {
                let ran = Arc::clone(&ran);
                tokio::spawn(async move { ran.fetch_add(1, Ordering::SeqCst) });
            }
            turn().await;
            ran.load(Ordering::SeqCst)
        });
        assert_eq!(turn.await.unwrap(), TASKS);
    }
}
