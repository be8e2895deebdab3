//! `ordershop restore`: puts an archive's events back at their positions, into the shop that they are of or an empty one, while none runs.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;

use super::error::ArchiveError;
use super::file::ArchiveReader;
use super::progress::Progress;
use super::selection::order_of;
use crate::app::redis_place::RedisPlace;
use crate::terminal::say;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_read_model::keys_of;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::event_store::archiving::ArchiveLink;
use ordershop_redis::event_store::restoring::{NewStream, Restoration};
use ordershop_redis::server::RedisServer;

/// The options of `ordershop restore`.
#[derive(Args)]
pub struct RestoreConfig {
    /// Put back the events in this file, which `ordershop archive` wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    redis: RedisPlace,
}

/// A topic's stream with the file's events in it, and what follows from them.
struct Restored {
    stream: NewStream,
    topic: Topic,
    versions: HashMap<String, u64>,
    claims: HashSet<String>,
}

/// Does what was asked for.
///
/// # Errors
/// What failed.
pub async fn run(config: RestoreConfig) -> Result<(), ArchiveError> {
    let mut file = ArchiveReader::open(&config.from)?;
    // The whole file is checked before anything is written.
    while file.next()?.is_some() {}
    let server = match config.redis.private() {
        Some(folder) => Some(RedisServer::start(&folder, Durability::default()).await?),
        None => None,
    };
    let (named, tls) = config.redis.named_or_private();
    let url = server.as_ref().map_or(named, |server| server.url().into());
    let done = restore_to(&RedisLink::open(&url, &tls)?, &config).await;
    if let Some(server) = server {
        server.stop().await;
    }
    let (orders, events) = done?;
    say(&format!("restored {orders} orders, {events} events"));
    Ok(())
}

async fn restore_to(redis: &RedisLink, config: &RestoreConfig) -> Result<(u64, u64), ArchiveError> {
    let link = ArchiveLink::new(redis)?;
    let mut restoration = Restoration::begin(redis).await?;
    let done = restore(&link, &mut restoration, config).await;
    restoration.end().await;
    done
}

async fn restore(
    link: &ArchiveLink,
    restoration: &mut Restoration,
    config: &RestoreConfig,
) -> Result<(u64, u64), ArchiveError> {
    let mut file = ArchiveReader::open(&config.from)?;
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
        let topic = event.topic;
        if restored.last().is_none_or(|last| last.topic != topic) {
            if let Some(done) = restored.last_mut() {
                done.rest(restoration).await?;
            }
            let part = file.header.topics.get(&topic);
            let groups = part.map_or(&[][..], |part| &part.groups);
            restored.push(Restored {
                stream: restoration.rewrite(topic, groups).await?,
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
                &keys_of(topic),
            )
            .await?;
        Failpoint::ArchiveRestoring.pass();
    }
    Ok((orders, events))
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
        if matches!(self.topic, Topic::Billing | Topic::Shipping)
            && let Some(order) = order_of(event)
        {
            match event.action == action::DELETED {
                true => self.claims.remove(&order),
                false => self.claims.insert(order),
            };
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
