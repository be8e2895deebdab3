//! The file of an archive: a line that describes it, then a line an event, topic by topic in the order of [`Topic::ALL`], each in the order of
//! its stream. Knows the form, not which events belong into it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use ordershop_contract::correlation::{Correlation, Times};
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::failpoint::Failpoint;
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

/// A line.
#[derive(Serialize, Deserialize)]
struct Line {
    topic: Topic,
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
            topic: event.topic,
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
            topic: line.topic,
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

/// A file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system's error.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// It is not an archive, or a broken one.
    #[error("{}, line {line}: {problem}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

/// A file that is written under another name in its folder, and removed unless it is finished.
pub struct ArchiveWriter {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl ArchiveWriter {
    /// Begins a file; nothing of that name may be there.
    pub fn begin(path: &Path, header: &Header) -> Result<Self, FileError> {
        let io = |error| FileError::Io {
            path: path.to_owned(),
            error,
        };
        refuse_existing(path)?;
        let file = NamedTempFile::new_in(folder(path)).map_err(io)?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
        };
        writer.line(header)?;
        Ok(writer)
    }

    /// Adds an event.
    pub fn add(&mut self, event: RecordedEvent) -> Result<(), FileError> {
        self.line(&Line::from(event))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), FileError> {
        let written = serde_json::to_writer(&mut self.file, line).map_err(std::io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| FileError::Io {
            path: self.path.clone(),
            error,
        })
    }

    /// Brings the file to the disk and gives it its name. Nothing that has that name meanwhile is replaced.
    pub fn finish(self) -> Result<(), FileError> {
        let path = self.path;
        let named = (|| {
            let file = self.file.into_inner().map_err(|error| error.into_error())?;
            file.as_file().sync_all()?;
            Failpoint::ArchiveWritten.pass();
            file.persist_noclobber(&path).map_err(|error| error.error)?;
            File::open(folder(&path))?.sync_all()
        })();
        named.map_err(|error| FileError::Io { path, error })
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Refuses a name that is taken.
pub fn refuse_existing(path: &Path) -> Result<(), FileError> {
    let error = match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => error,
        Ok(_) => std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "it is there already, and an archive is never written over; choose another name",
        ),
    };
    Err(FileError::Io {
        path: path.to_owned(),
        error,
    })
}

/// A file that is read line by line.
pub struct ArchiveReader {
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
    text: String,
    /// What the first line says.
    pub header: Header,
    /// What was read so far of each topic.
    read: BTreeMap<Topic, u64>,
    last: Option<(Topic, Position)>,
}

impl ArchiveReader {
    /// Opens a file and reads its first line.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let io = |error| FileError::Io {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(io)?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        let broken = |problem: String| FileError::Broken {
            path: path.to_owned(),
            line: 1,
            problem,
        };
        let mut text = String::new();
        lines.read_line(&mut text).map_err(io)?;
        let header: Header = serde_json::from_str(&text)
            .map_err(|error| broken(format!("it is no archive of OrderShop: {error}")))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(broken(format!(
                "it is {:?} version {}; this program reads {FORMAT:?} version {VERSION}",
                header.format, header.version
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            lines,
            line: 1,
            text,
            header,
            read: BTreeMap::new(),
            last: None,
        })
    }

    fn broken(&self, problem: impl Into<String>) -> FileError {
        FileError::Broken {
            path: self.path.clone(),
            line: self.line,
            problem: problem.into(),
        }
    }

    /// The next event; `None` after the last one, of a file that has all that its first line says.
    pub fn next(&mut self) -> Result<Option<RecordedEvent>, FileError> {
        self.text.clear();
        self.line += 1;
        let read = self.lines.read_line(&mut self.text);
        let bytes = read.map_err(|error| FileError::Io {
            path: self.path.clone(),
            error,
        })?;
        if bytes == 0 {
            let part = |(topic, part): (&Topic, &TopicPart)| (*topic, part.events);
            let expected: BTreeMap<Topic, u64> = self.header.topics.iter().map(part).collect();
            return match expected == self.read {
                true => Ok(None),
                false => Err(self.broken(format!(
                    "the file ends, but it has {} of {} events",
                    self.read.values().sum::<u64>(),
                    self.header.events()
                ))),
            };
        }
        let line: Line = serde_json::from_str(&self.text)
            .map_err(|error| self.broken(format!("it is not an event: {error}")))?;
        let at = (line.topic, line.position);
        if self.last.is_some_and(|last| last >= at) {
            return Err(self.broken("the events are not in their order"));
        }
        self.last = Some(at);
        *self.read.entry(line.topic).or_default() += 1;
        Ok(Some(line.into()))
    }
}
