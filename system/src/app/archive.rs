//! `ordershop archive`: moves the events of finished orders out of a running shop into a file. The file is complete before anything changes;
//! then the orders are hidden by events, and only what is hidden is removed. Ended at any moment, it leaves the events in the file, in the
//! shop, or in both, and is gone on with by the next archive.

mod error;
pub(super) mod file;
mod hiding;
pub(super) mod lines;
pub(super) mod progress;
mod removing;
pub(super) mod selection;
mod time;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

pub use self::error::ArchiveError;
use self::file::{ArchiveWriter, Header};
use self::hiding::Hiding;
use self::lines::refuse_existing;
use self::progress::Progress;
use self::removing::Removing;
use self::selection::{Fate, Selection, TOPICS};
use self::time::Before;
use crate::app::redis_place::RedisPlace;
use crate::terminal::{note, say};
use ordershop_contract::event_store::{EventStore, READ_MODEL, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::archiving::ArchiveLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};
use ordershop_redis::metrics::AppendMetrics;
use ordershop_redis::partitions;

/// Events that are read with one call: a page takes Redis some milliseconds.
const PAGE_EVENTS: usize = 1_000;

/// The options of `ordershop archive`.
#[derive(Args)]
pub struct ArchiveConfig {
    /// Archive orders whose last event, and that of all that belongs to them, is older than this: an age, such as 90d, 12h, 30m or 45s; a day, such as 2026-01-31; or a time, such as 2026-01-31T08:30:00Z
    #[arg(long, value_name = "TIME|AGE")]
    before: Before,
    /// Write the events into this file, which must not be there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Say what would be archived, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    redis: RedisPlace,
}

/// A shop whose orders are archived.
struct Shop {
    events: Arc<RedisEventStore>,
    link: ArchiveLink,
}

/// Does what was asked for.
///
/// # Errors
/// What failed.
pub async fn run(config: ArchiveConfig) -> Result<(), ArchiveError> {
    refuse_existing(&config.to)?;
    let (url, tls) = config.redis.named_or_private();
    let redis = RedisLink::open(&url, &tls)?;
    let link = ArchiveLink::new(&redis);
    if !link.has_consumers(READ_MODEL).await? {
        let text = "no shop runs on this Redis: only a running one takes archived orders out of what it shows. Start it first";
        return Err(ArchiveError::Other(text.to_owned()));
    }
    if partitions::kept(&mut redis.shared()).await? != Partitions::ONE {
        let text =
            "only a shop of one partition can be archived: the orders of this one lie in several";
        return Err(ArchiveError::Refused(text.to_owned()));
    }
    let metrics = AppendMetrics::default();
    let events = RedisEventStore::start(redis, &metrics, EventStoreConfig::default());
    let shop = Shop { events, link };
    let done = archive(&shop, &config).await;
    shop.events.close().await;
    done
}

async fn archive(shop: &Shop, config: &ArchiveConfig) -> Result<(), ArchiveError> {
    let Before(before_us) = config.before;
    let new_name = uuid::Uuid::now_v7().simple().to_string();
    let (name, before_us) = match config.dry_run {
        true => (new_name, before_us),
        false => shop.link.begin(&new_name, before_us).await?,
    };
    let mut groups: [Vec<String>; Topic::ALL.len()] = Default::default();
    let mut handled = [Position::START; Topic::ALL.len()];
    for topic in TOPICS {
        let of_topic = shop.link.handled(topic).await?;
        if of_topic.up_to.ms < before_us / 1_000
            && of_topic.up_to < shop.events.last_position(topic.into()).await?
        {
            note(format!("later orders stay: {}", of_topic.behind(topic)));
        }
        handled[topic.index()] = of_topic.up_to;
        groups[topic.index()] = of_topic.groups;
    }
    let mut selection = Selection::new(before_us, handled);
    for topic in TOPICS {
        shop.read(topic, "looked at", |event| {
            selection.take(&event);
            Ok(())
        })
        .await?;
    }
    selection.decide();
    let parts = selection.parts(&groups);
    let header = Header::new(name, before_us, selection.orders(), parts);
    let (orders, events) = (header.orders, header.events());
    if config.dry_run {
        say(&format!("would archive {orders} orders, {events} events"));
        for (topic, part) in &header.topics {
            let (from, to) = (part.from, part.to);
            say(&format!(
                "  {topic}: {} events, {from} to {to}",
                part.events
            ));
        }
        return Ok(());
    }
    let mut removing = Removing::new(&shop.link);
    write(shop, &config.to, &header, &selection, &mut removing).await?;
    Failpoint::ArchiveNamed.pass();
    if events > 0 {
        note(format!(
            "{}: {events} events are in the file",
            config.to.display()
        ));
    }
    let mut hiding = Hiding::new(&*shop.events, &selection);
    hiding.hide(&config.to).await?;
    Failpoint::ArchiveHidden.pass();
    removing.wait_until_hidden(&hiding.marks).await?;
    removing.remove(&config.to, &selection, &hiding).await?;
    let keys = removing.forget_keys(before_us / 1_000_000).await?;
    let kept = hiding.kept_orders();
    let file = config.to.display();
    say(&format!(
        "archived {} orders, {events} events to {file}; forgot {keys} idempotency keys",
        orders - kept
    ));
    if kept > 0 {
        note(format!(
            "{kept} orders were changed meanwhile: they stay in the shop, and their events are in the file too"
        ));
    }
    Ok(())
}

impl Shop {
    /// Calls `take` with each event of a topic that is there now.
    async fn read(
        &self,
        topic: Topic,
        done: &str,
        mut take: impl FnMut(RecordedEvent) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let end = self.events.last_position(topic.into()).await?;
        let (mut after, mut count, mut progress) = (Position::START, 0, Progress::begin());
        while after < end {
            let page = self.events.read(topic.into(), after, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            count += page.len();
            for event in page {
                take(event)?;
            }
            progress.tell(|| format!("{topic}: {count} events {done}"));
        }
        Ok(())
    }
}

/// Writes the file. What an earlier archive left is collected to be removed.
async fn write(
    shop: &Shop,
    path: &Path,
    header: &Header,
    selection: &Selection,
    removing: &mut Removing<'_>,
) -> Result<(), ArchiveError> {
    let mut file = ArchiveWriter::begin(path, header)?;
    let mut in_order = TOPICS;
    in_order.sort_unstable();
    for topic in in_order {
        let mut written = 0;
        shop.read(topic, "written", |event| {
            match selection.fate(&event) {
                Fate::Stays => {}
                Fate::Left => removing.left(&event),
                Fate::Archived => {
                    file.add(event)?;
                    written += 1;
                }
            }
            Ok(())
        })
        .await?;
        let expected = header.topics.get(&topic).map_or(0, |part| part.events);
        if written != expected {
            return Err(ArchiveError::Other(format!(
                "the events of topic {topic} changed while they were read ({written} instead of {expected}): does another archive run?"
            )));
        }
    }
    Ok(file.finish()?)
}
