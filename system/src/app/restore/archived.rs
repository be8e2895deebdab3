//! Puts an archive's events back at their positions, into the shop that they are of or an empty one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::app::archive::ArchiveError;
use crate::app::archive::file::ArchiveReader;
use crate::app::archive::progress::Progress;
use crate::app::archive::selection::claim_of;
use ordershop_contract::event_store::{Claim, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_read_model::keys_of;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::archiving::ArchiveLink;
use ordershop_redis::event_store::restoring::{NewStream, Restoration};

/// A topic's stream with the file's events in it, and what follows from them.
struct Restored {
    stream: NewStream,
    topic: Topic,
    versions: HashMap<String, u64>,
    claims: HashSet<String>,
}

/// Puts an archive back; says what was put back.
pub async fn restore(
    redis: &RedisLink,
    restoration: &mut Restoration,
    from: &Path,
) -> Result<String, ArchiveError> {
    let link = ArchiveLink::new(redis);
    let mut file = ArchiveReader::open(from)?;
    let shop = file.header.shop.clone();
    let there = link.shop().await?;
    let is_empty = there.is_none() && restoration.is_empty().await?;
    if !is_empty && there.as_ref() != Some(&shop) {
        return Err(ArchiveError::Other(format!(
            "the archive is of shop {shop}, but this one is {}; restore it into its own shop, or into an empty Redis",
            there.as_deref().unwrap_or("one that was never archived")
        )));
    }
    let (orders, events) = (file.header.orders, file.header.events());
    let mut restored: Vec<Restored> = Vec::new();
    let (mut count, mut progress) = (0_u64, Progress::begin());
    while let Some(event) = file.next()? {
        let topic = event.partition.topic;
        if restored.last().is_none_or(|last| last.topic != topic) {
            if let Some(done) = restored.last_mut() {
                done.rest(restoration).await?;
            }
            let part = file.header.topics.get(&topic);
            // All have handled what is archived.
            let groups = part.into_iter().flat_map(|part| &part.groups);
            let groups: BTreeMap<String, Position> =
                groups.map(|group| (group.clone(), Position::END)).collect();
            restored.push(Restored {
                stream: restoration.rewrite(topic.into(), &groups).await?,
                topic,
                versions: HashMap::new(),
                claims: HashSet::new(),
            });
        }
        if let Some(of_topic) = restored.last_mut() {
            of_topic.put(restoration, &event).await?;
        }
        count += 1;
        progress.tell(|| format!("{count} of {events} events put back"));
    }
    if let Some(done) = restored.last_mut() {
        done.rest(restoration).await?;
    }
    link.begin(&shop, 0).await?;
    for of_topic in restored {
        let (topic, claims) = (of_topic.topic, Vec::from_iter(of_topic.claims));
        restoration
            .replace(
                of_topic.stream,
                &of_topic.versions,
                &claims,
                &keys_of(topic.into()),
            )
            .await?;
        Failpoint::ArchiveRestoring.pass();
    }
    Ok(format!("restored {orders} orders, {events} events"))
}

impl Restored {
    async fn put(
        &mut self,
        restoration: &mut Restoration,
        event: &RecordedEvent,
    ) -> Result<(), ArchiveError> {
        let version = self
            .versions
            .entry(event.entity_id.clone().into())
            .or_default();
        *version = event.version.max(*version);
        match claim_of(event) {
            Some(Claim::Take(order)) => drop(self.claims.insert(order)),
            Some(Claim::Release(order)) => drop(self.claims.remove(&order)),
            None => {}
        }
        let keeps = keeps(&mut self.versions);
        Ok(restoration.put(&mut self.stream, event, keeps).await?)
    }

    async fn rest(&mut self, restoration: &mut Restoration) -> Result<(), ArchiveError> {
        let keeps = keeps(&mut self.versions);
        Ok(restoration.rest(&mut self.stream, keeps).await?)
    }
}

/// Whether an event of the shop stays: not if it hides an aggregate that comes back. What stayed in the shop may be further than the archive.
fn keeps(back: &mut HashMap<String, u64>) -> impl FnMut(&RecordedEvent) -> bool {
    |event| {
        let Some(version) = back.get_mut(event.entity_id.as_str()) else {
            return true;
        };
        let hides = event.action == action::ARCHIVED;
        if !hides {
            *version = event.version.max(*version);
        }
        !hides
    }
}
