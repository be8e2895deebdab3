//! The file of an archive: a line that describes it, then a line an event, topic by topic in the order of [`Topic::ALL`], each in the order of
//! its stream. Knows the form, not which events belong into it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lines::{FileError, Lines, NewFile};
use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;

/// What the first line says that the file is.
const FORMAT: &str = "ordershop-archive";
/// The version of the form; another one is refused.
const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    format: String,
    version: u32,
    /// The shop's name in its archives.
    pub shop: String,
    /// When it was written, RFC 3339.
    pub written_at: String,
    /// All its events are older than this, RFC 3339.
    pub before: String,
    /// The number of orders.
    pub orders: u64,
    /// What it has of each topic; a topic without events is left out.
    pub topics: BTreeMap<Topic, TopicPart>,
}

/// What a file has of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPart {
    /// The number of events.
    pub events: u64,
    /// The position of the first one.
    pub from: Position,
    /// The position of the last one.
    pub to: Position,
    /// The topic's consumer groups: all have handled them.
    pub groups: Vec<String>,
}

impl Header {
    /// The first line of a file that is written now.
    pub fn new(
        shop: String,
        before_us: u64,
        orders: u64,
        topics: BTreeMap<Topic, TopicPart>,
    ) -> Self {
        let before = i64::try_from(before_us).unwrap_or(i64::MAX);
        let before = jiff::Timestamp::from_microsecond(before).unwrap_or_default();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            shop,
            written_at: jiff::Timestamp::now().to_string(),
            before: before.to_string(),
            orders,
            topics,
        }
    }

    /// The number of events.
    pub fn events(&self) -> u64 {
        self.topics.values().map(|part| part.events).sum()
    }
}

/// An event's line.
#[derive(Serialize, Deserialize)]
pub struct Line {
    #[serde(rename = "topic")]
    partition: Partition,
    position: Position,
    event_id: String,
    action: String,
    aggregate_id: String,
    version: u64,
    data: Box<RawValue>,
    published_at_us: u64,
    correlation_id: String,
    causation_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_at_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitted_at_us: Option<u64>,
}

impl From<RecordedEvent> for Line {
    fn from(event: RecordedEvent) -> Self {
        let times = event.correlation.times;
        Self {
            partition: event.partition,
            position: event.position,
            event_id: event.event_id.into(),
            action: event.action,
            aggregate_id: event.entity_id.into(),
            version: event.version,
            data: event.data,
            published_at_us: event.published_at_us,
            correlation_id: event.correlation.correlation_id,
            causation_id: event.correlation.causation_id,
            received_at_us: times.map(|times| times.received_at_us),
            submitted_at_us: times.map(|times| times.submitted_at_us),
        }
    }
}

impl From<Line> for RecordedEvent {
    fn from(line: Line) -> Self {
        let times = line.received_at_us.zip(line.submitted_at_us);
        Self {
            partition: line.partition,
            position: line.position,
            event_id: line.event_id.into(),
            action: line.action,
            entity_id: line.aggregate_id.into(),
            version: line.version,
            data: line.data,
            published_at_us: line.published_at_us,
            correlation: Correlation {
                correlation_id: line.correlation_id,
                causation_id: line.causation_id,
                times: times.map(|(received_at_us, submitted_at_us)| Times {
                    received_at_us,
                    submitted_at_us,
                }),
            },
        }
    }
}

/// A new archive.
pub struct ArchiveWriter(NewFile);

impl ArchiveWriter {
    /// Begins a file; nothing of that name may be there.
    pub fn begin(path: &Path, header: &Header) -> Result<Self, FileError> {
        let mut file = NewFile::begin(path)?;
        file.line(header)?;
        Ok(Self(file))
    }

    /// Adds an event.
    pub fn add(&mut self, event: RecordedEvent) -> Result<(), FileError> {
        self.0.line(&Line::from(event)).map(drop)
    }

    /// Brings the file to the disk and gives it its name. Nothing that has that name meanwhile is replaced.
    pub fn finish(self) -> Result<(), FileError> {
        self.0.finish()
    }
}

/// An archive that is read event by event.
pub struct ArchiveReader {
    lines: Lines,
    /// What the first line says.
    pub header: Header,
    /// What was read so far of each topic.
    read: BTreeMap<Topic, u64>,
    last: Option<(Topic, Position)>,
}

impl ArchiveReader {
    /// Opens a file and reads its first line.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let mut lines = Lines::open(path)?;
        lines.next()?;
        let header: Header = lines.parse("it is no archive of OrderShop")?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(lines.broken(format!(
                "it is {:?} version {}; this program reads {FORMAT:?} version {VERSION}",
                header.format, header.version
            )));
        }
        Ok(Self {
            lines,
            header,
            read: BTreeMap::new(),
            last: None,
        })
    }

    /// The next event; `None` after the last one, of a file that has all that its first line says.
    pub fn next(&mut self) -> Result<Option<RecordedEvent>, FileError> {
        if !self.lines.next()? {
            let part = |(topic, part): (&Topic, &TopicPart)| (*topic, part.events);
            let expected: BTreeMap<Topic, u64> = self.header.topics.iter().map(part).collect();
            return match expected == self.read {
                true => Ok(None),
                false => Err(self.lines.broken(format!(
                    "the file ends, but it has {} of {} events",
                    self.read.values().sum::<u64>(),
                    self.header.events()
                ))),
            };
        }
        let line: Line = self.lines.parse("it is not an event")?;
        let at = (line.partition.topic, line.position);
        if self.last.is_some_and(|last| last >= at) {
            return Err(self.lines.broken("the events are not in their order"));
        }
        self.last = Some(at);
        *self.read.entry(line.partition.topic).or_default() += 1;
        Ok(Some(line.into()))
    }
}
