//! Removes what is hidden: the events, their aggregates' versions and claims, and at last the events that hid them. The orders' own events go
//! first: an order of which some are gone is known by that, and goes into no file again.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::ArchiveError;
use super::file::ArchiveReader;
use super::hiding::Hiding;
use super::progress::Progress;
use super::selection::{Selection, TOPICS, order_of};
use crate::terminal::note;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::event_store::archiving::{ArchiveLink, Handled, Removal};
use ordershop_services::KEY_CLAIM;

/// Events that are removed with one call: it takes Redis about a millisecond.
const BATCH: usize = 500;
/// How long the shop is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interval of looks whether the shop is that far.
const LOOK: Duration = Duration::from_millis(50);

/// What is removed.
pub struct Removing<'a> {
    link: &'a ArchiveLink,
    left: [Removal; Topic::ALL.len()],
}

impl<'a> Removing<'a> {
    pub fn new(link: &'a ArchiveLink) -> Self {
        Self {
            link,
            left: Default::default(),
        }
    }

    /// Collects an event that an earlier archive has left.
    pub fn left(&mut self, event: &RecordedEvent) {
        add(&mut self.left[event.partition.topic.index()], event, true);
    }

    /// Waits until the read model has hidden what these events hide.
    pub async fn wait_until_hidden(
        &self,
        marks: &[Vec<Position>; Topic::ALL.len()],
    ) -> Result<(), ArchiveError> {
        for topic in TOPICS {
            let Some(&last) = marks[topic.index()].last() else {
                continue;
            };
            if let Some(behind_it) = self.handled_up_to(topic, last).await? {
                return Err(ArchiveError::Other(format!(
                    "nothing was removed: {}. The archive is complete; run another one later, which removes what is in this one",
                    behind_it.behind(topic)
                )));
            }
        }
        Ok(())
    }

    /// Waits until everybody has handled a topic up to here; how far they are, if that takes too long.
    async fn handled_up_to(
        &self,
        topic: Topic,
        position: Position,
    ) -> Result<Option<Handled>, ArchiveError> {
        let (began, mut progress) = (Instant::now(), Progress::begin());
        loop {
            let handled = self.link.handled(topic).await?;
            if handled.up_to >= position {
                return Ok(None);
            }
            if began.elapsed() > PATIENCE {
                return Ok(Some(handled));
            }
            progress.tell(|| format!("waiting: {}", handled.behind(topic)));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Removes what is hidden.
    pub async fn remove(
        &mut self,
        path: &Path,
        selection: &Selection,
        hiding: &Hiding<'_>,
    ) -> Result<(), ArchiveError> {
        self.remove_those(path, selection, hiding, |topic| topic == Topic::Order)
            .await?;
        self.remove_those(path, selection, hiding, |topic| topic != Topic::Order)
            .await?;
        Failpoint::ArchiveRemoved.pass();
        for topic in TOPICS {
            let marks = selection.hidden_before(topic);
            let marks = marks.chain(hiding.marks[topic.index()].iter().copied());
            self.remove_marks(topic, marks.collect()).await?;
        }
        Ok(())
    }

    async fn remove_those(
        &mut self,
        path: &Path,
        selection: &Selection,
        hiding: &Hiding<'_>,
        removes: impl Fn(Topic) -> bool,
    ) -> Result<(), ArchiveError> {
        for topic in TOPICS.into_iter().filter(|topic| removes(*topic)) {
            self.link
                .remove(topic, &std::mem::take(&mut self.left[topic.index()]))
                .await?;
        }
        let mut file = ArchiveReader::open(path)?;
        let (mut topic, mut removal) = (Topic::Order, Removal::default());
        let (mut count, mut progress) = (0_u64, Progress::begin());
        while let Some(event) = file.next()? {
            let Some(record) = selection.record(event.partition.topic, &event.entity_id) else {
                continue;
            };
            if !removes(event.partition.topic)
                || hiding.stays(event.partition.topic, &event.entity_id, record)
            {
                continue;
            }
            if event.partition.topic != topic || removal.positions.len() >= BATCH {
                self.link
                    .remove(topic, &std::mem::take(&mut removal))
                    .await?;
                if count > 0 {
                    Failpoint::ArchiveRemoving.pass();
                }
                progress.tell(|| format!("{topic}: {count} events removed"));
            }
            topic = event.partition.topic;
            count += 1;
            add(&mut removal, &event, event.version == record.version);
        }
        self.link.remove(topic, &removal).await?;
        Ok(())
    }

    /// Removes the events that hid what is gone, once everybody has passed them. The last entry of a stream stays: a stream that ends before
    /// an event that somebody knows looks as if Redis had gone back. The next archive removes it.
    async fn remove_marks(
        &self,
        topic: Topic,
        mut marks: Vec<Position>,
    ) -> Result<(), ArchiveError> {
        let Some(&newest) = marks.iter().max() else {
            return Ok(());
        };
        marks.sort_unstable();
        if let Some(handled) = self.handled_up_to(topic, newest).await? {
            note(format!(
                "{}: what hides the archived orders there stays until the next archive",
                handled.behind(topic)
            ));
            return Ok(());
        }
        let last = self.link.last(topic).await?;
        marks.retain(|position| *position < last);
        for positions in marks.chunks(BATCH) {
            let removal = Removal {
                positions: positions.to_vec(),
                ..Removal::default()
            };
            self.link.remove(topic, &removal).await?;
        }
        Ok(())
    }

    /// Forgets the idempotency keys that were used before this time; returns their number.
    pub async fn forget_keys(&self, before_s: u64) -> Result<usize, ArchiveError> {
        let mut count = 0;
        for topic in Topic::ALL {
            count += self.link.forget_claims(topic, KEY_CLAIM, before_s).await?;
        }
        Ok(count)
    }
}

fn add(removal: &mut Removal, event: &RecordedEvent, is_last: bool) {
    removal.positions.push(event.position);
    if !is_last {
        return;
    }
    removal.aggregates.push(event.entity_id.clone().into());
    if matches!(event.partition.topic, Topic::Billing | Topic::Shipping) {
        removal.claims.extend(order_of(event));
    }
}
