//! How long events of orders wait for the sagas and the read model, by Little's law: the events that wait, divided by those that are handled a
//! second. While they wait too long, more is under way than can be done in time. A group that handles nothing at all stands still: that is
//! a fault and no overload, and what waits for it is done later. Pure: the time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ordershop_contract::event_store::GroupStatus;
use ordershop_contract::partition::Partition;
use ordershop_contract::queue_names;
use ordershop_contract::topic::Topic;

/// The topics whose events carry an order on.
const TOPICS: [Topic; 3] = [Topic::Order, Topic::Billing, Topic::Shipping];
/// The wait that may last. An order passes four groups, one after the other, and its customer waits for it.
const WAIT: Duration = Duration::from_millis(500);
/// How long a longer wait may last: a burst is no overload.
const PATIENCE: Duration = Duration::from_secs(1);
/// After they were behind, the groups are given no patience until they have kept up for so long. Otherwise each time that they have caught up
/// would let in more than they can do.
const CALM: Duration = Duration::from_secs(5);
/// So few events may always wait.
const WAITING_MIN: u64 = 16;
/// Events are counted over one to two of these: longer than a group takes for a large batch.
const WINDOW: Duration = Duration::from_millis(500);

/// What was seen of the groups.
#[derive(Debug, Default)]
pub(super) struct SagasBehind {
    paces: HashMap<(String, Partition), Pace>,
    /// Since when the wait is too long.
    too_long: Option<Instant>,
    /// Since when it is short.
    short: Option<Instant>,
    /// Whether a wait that is too long was one for long enough, and the groups have not been calm since.
    impatient: bool,
}

/// How quickly a group handles a partition's events: what it had handled at the beginning of the window before, and of the present one.
#[derive(Debug)]
struct Pace {
    before: (Instant, u64),
    present: (Instant, u64),
}

impl SagasBehind {
    /// Whether the groups are behind, as of this look.
    pub(super) fn look(&mut self, groups: &[GroupStatus], now: Instant) -> bool {
        let wait = groups.iter().filter_map(|status| self.wait(status, now));
        let wait = wait.max().unwrap_or_default();
        let lasts = |since: &mut Option<Instant>, holds: bool, limit: Duration| {
            *since = holds.then(|| since.unwrap_or(now));
            since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
        };
        if lasts(&mut self.short, wait < WAIT / 2, CALM) {
            self.impatient = false;
        }
        if lasts(&mut self.too_long, wait >= WAIT, PATIENCE) {
            self.impatient = true;
        }
        self.impatient && wait >= WAIT
    }

    /// How long a group's events wait; `None` for a group of others, or one that stands still.
    fn wait(&mut self, status: &GroupStatus, now: Instant) -> Option<Duration> {
        if !TOPICS.contains(&status.partition.topic) || !is_ours(&status.group) {
            return None;
        }
        let waiting = status.undelivered? + status.pending;
        let handled = status.delivered?.saturating_sub(status.pending);
        let group = (status.group.clone(), status.partition);
        let pace = self.paces.entry(group).or_insert(Pace {
            before: (now, handled),
            present: (now, handled),
        });
        let wait = pace.wait(waiting, handled, now);
        (waiting >= WAITING_MIN).then_some(wait).flatten()
    }
}

impl Pace {
    fn wait(&mut self, waiting: u64, handled: u64, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.present.0) >= WINDOW {
            self.before = self.present;
            self.present = (now, handled);
        }
        let (since, before) = self.before;
        let elapsed_us = now.saturating_duration_since(since).as_micros();
        let wait_us = (elapsed_us * u128::from(waiting))
            .checked_div(u128::from(handled.saturating_sub(before)))?;
        Some(Duration::from_micros(
            u64::try_from(wait_us).unwrap_or(u64::MAX),
        ))
    }
}

/// Whether a group is of a service that a customer waits for. Others may be as late as they like.
fn is_ours(group: &str) -> bool {
    queue_names::all()
        .iter()
        .any(|queue| queue.service == group)
}

#[cfg(test)]
mod tests {
    use ordershop_contract::event_lag::LagHistogram;

    use super::*;

    const LOOK: Duration = Duration::from_millis(100);

    /// A group with a backlog, to which events come and of which some are handled at each look.
    struct Simulated {
        sagas: SagasBehind,
        now: Instant,
        status: GroupStatus,
    }

    impl Simulated {
        fn of(group: &str, topic: Topic) -> Self {
            Self {
                sagas: SagasBehind::default(),
                now: Instant::now(),
                status: GroupStatus {
                    group: group.to_owned(),
                    partition: topic.into(),
                    undelivered: Some(0),
                    delivered: Some(0),
                    pending: 0,
                    dead_letters: 0,
                    lag: LagHistogram::default(),
                },
            }
        }

        /// At how many of so many looks the group was behind.
        fn looks(&mut self, looks: usize, come: u64, handled: u64) -> usize {
            let looked = (0..looks).filter(|_| {
                let undelivered = self.status.undelivered.unwrap() + come;
                let handled = handled.min(undelivered);
                self.status.undelivered = Some(undelivered - handled);
                self.status.delivered = Some(self.status.delivered.unwrap() + handled);
                self.now += LOOK;
                self.sagas
                    .look(std::slice::from_ref(&self.status), self.now)
            });
            looked.count()
        }
    }

    #[test]
    fn a_group_that_gets_more_than_it_handles_is_behind_until_it_has_caught_up() {
        let mut group = Simulated::of("inventory-service", Topic::Order);
        assert_eq!(group.looks(50, 20, 20), 0, "it keeps up");
        // 500 ms of work wait after 5 looks, and have for a second after the next look.
        assert_eq!(group.looks(14, 40, 20), 0, "a burst is let be");
        assert_eq!(group.looks(10, 20, 20), 10, "but not for long");
        let behind = group.looks(14, 0, 20);
        assert!((8..=10).contains(&behind), "{behind}");
        assert_eq!(group.looks(6, 40, 20), 2, "a burst soon after is not");
        assert_eq!(group.looks(6, 0, 20), 1);
        assert_eq!(group.looks(60, 20, 20), 0, "it keeps up again");
        assert_eq!(group.looks(14, 40, 20), 0, "a burst is let be again");
    }

    #[test]
    fn what_waits_is_kept_at_the_limit_while_more_comes_than_is_handled() {
        let mut group = Simulated::of("shipping-service", Topic::Order);
        group.looks(20, 60, 20);
        let mut behind = true;
        let mut longest = 0;
        for look in 0..200 {
            let come = if behind { 0 } else { 60 };
            behind = group.looks(1, come, 20) == 1;
            if look > 100 {
                longest = longest.max(group.status.undelivered.unwrap());
                assert!(group.status.undelivered > Some(0), "it is never idle");
            }
        }
        // 500 ms of work and what came between two looks.
        assert!(longest <= 100 + 60, "{longest}");
    }

    #[test]
    fn what_stands_still_few_events_and_other_groups_hold_nobody_up() {
        for (group, topic, come, handled) in [
            ("inventory-service", Topic::Order, 100, 0),
            ("crm-service", Topic::Order, 100, 1),
            ("a-stranger", Topic::Order, 100, 1),
            ("read-model", Topic::Product, 100, 1),
        ] {
            let mut simulated = Simulated::of(group, topic);
            assert_eq!(simulated.looks(50, come, handled), 0, "{group} {topic}");
        }
        let mut few = Simulated::of("order-service", Topic::Billing);
        few.looks(1, 100, 100);
        few.status.undelivered = Some(WAITING_MIN - 1);
        assert_eq!(few.looks(50, 1, 1), 0);
    }
}
