//! The archives of a shop: files with events that are no longer in it, partition by partition, each in its stream's order. They are read beside the
//! shop's pages, so that the audit sees one history. Knows the files' form; must not know what an event means.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::event::{AuditEvent, EventPosition};
use super::surface::AuditError;
use super::topic::{ShopPartition, ShopTopic};

/// The form that is read.
const FORMAT: (&str, u32) = ("ordershop-archive", 1);

/// The parts of the first line that are needed.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// By the names of partitions.
    topics: HashMap<String, TopicPart>,
}

#[derive(Deserialize)]
struct TopicPart {
    events: u64,
}

/// The part of a line that says where it belongs.
#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    topic: std::borrow::Cow<'a, str>,
    #[serde(default)]
    partition: u32,
    #[serde(borrow)]
    position: std::borrow::Cow<'a, str>,
}

/// Where the events of a partition stand in a file.
#[derive(Debug, Clone, Copy)]
struct Section {
    offset: u64,
    line: u64,
    events: u64,
}

/// A file whose sections are known.
#[derive(Debug, Clone)]
pub struct Archive {
    path: PathBuf,
    sections: HashMap<ShopPartition, Section>,
}

fn bad(path: &Path, line: u64, problem: impl std::fmt::Display) -> AuditError {
    AuditError::BadArchive {
        path: path.to_owned(),
        line,
        problem: problem.to_string(),
    }
}

impl Archive {
    /// Reads the file once, to know where each partition's events stand; they must be all that the first line tells of.
    ///
    /// # Errors
    /// The file can't be read, or is no whole archive.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(|error| bad(path, 0, error))?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        let (mut text, mut offset, mut line) = (String::new(), 0, 1);
        let read = |lines: &mut BufReader<File>, text: &mut String, line| {
            text.clear();
            let bytes = lines.read_line(text);
            bytes.map_err(|error| bad(path, line, error))
        };
        offset += read(&mut lines, &mut text, line)? as u64;
        let no_archive = |error| bad(path, 1, format!("it is no archive of OrderShop: {error}"));
        let header: Header = serde_json::from_str(&text).map_err(no_archive)?;
        if (header.format.as_str(), header.version) != FORMAT {
            let (format, version) = FORMAT;
            let problem = format!(
                "it is {:?} version {}; this program reads {format:?} version {version}",
                header.format, header.version
            );
            return Err(bad(path, 1, problem));
        }
        let mut sections: HashMap<ShopPartition, Section> = HashMap::new();
        loop {
            line += 1;
            let bytes = read(&mut lines, &mut text, line)? as u64;
            if bytes == 0 {
                break;
            }
            let (partition, _) = place(&text).map_err(|problem| bad(path, line, problem))?;
            let section = sections.entry(partition).or_insert(Section {
                offset,
                line,
                events: 0,
            });
            if section.line + section.events != line {
                return Err(bad(path, line, "the events are not in their order"));
            }
            section.events += 1;
            offset += bytes;
        }
        for (name, part) in &header.topics {
            let there = ShopPartition::named(name).and_then(|of| sections.get(&of));
            let there = there.map_or(0, |section| section.events);
            if there != part.events {
                let of = part.events;
                return Err(bad(
                    path,
                    line,
                    format!("the file ends, but it has {there} of {of} events of topic {name}"),
                ));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            sections,
        })
    }
}

fn place(text: &str) -> Result<(ShopPartition, EventPosition), String> {
    let place: Place<'_> =
        serde_json::from_str(text).map_err(|error| format!("it is not an event: {error}"))?;
    let topic = ShopTopic::named(&place.topic).ok_or("the topic is unknown")?;
    let partition = ShopPartition {
        topic,
        number: place.partition,
    };
    let position = EventPosition::parse(&place.position).ok_or("the position can't be read")?;
    Ok((partition, position))
}

/// One partition's events in a file, one at a time.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    left: u64,
    next: Option<(EventPosition, String)>,
}

impl Lines {
    fn advance(&mut self) -> Result<Option<String>, AuditError> {
        let taken = self.next.take().map(|(_, text)| text);
        if self.left > 0 {
            let mut text = String::new();
            let read = self.file.read_line(&mut text);
            read.map_err(|error| bad(&self.path, self.line, error))?;
            let (_, at) = place(&text).map_err(|problem| bad(&self.path, self.line, problem))?;
            self.next = Some((at, text));
            self.left -= 1;
            self.line += 1;
        }
        Ok(taken)
    }
}

/// One partition's archived events, beside those of the shop.
pub struct ArchivedEvents {
    files: Vec<Lines>,
    /// The number of events that the shop no longer has.
    pub count: u64,
    broken: Option<AuditError>,
}

impl ArchivedEvents {
    /// Of all files.
    pub fn of(archives: &[Archive], partition: ShopPartition) -> Result<Self, AuditError> {
        let mut files = Vec::new();
        for archive in archives {
            let Some(section) = archive.sections.get(&partition) else {
                continue;
            };
            let failed = |error| bad(&archive.path, section.line, error);
            let mut file = File::open(&archive.path).map_err(failed)?;
            file.seek(SeekFrom::Start(section.offset)).map_err(failed)?;
            let mut lines = Lines {
                path: archive.path.clone(),
                file: BufReader::new(file),
                line: section.line,
                left: section.events,
                next: None,
            };
            lines.advance()?;
            files.push(lines);
        }
        Ok(Self {
            files,
            count: 0,
            broken: None,
        })
    }

    /// Calls `take` with the archived events before an event of the shop, and leaves out the one that it is.
    pub fn before(&mut self, event: &AuditEvent<'_>, take: &mut impl FnMut(&AuditEvent<'_>)) {
        let position = EventPosition::parse(&event.position);
        if let Err(error) = self.until(position, Some(event), take) {
            self.broken.get_or_insert(error);
        }
    }

    /// Calls `take` with what is left after the shop's last event.
    pub fn rest(mut self, take: &mut impl FnMut(&AuditEvent<'_>)) -> Result<u64, AuditError> {
        if self.broken.is_none() {
            self.until(None, None, take)?;
        }
        match self.broken {
            Some(error) => Err(error),
            None => Ok(self.count),
        }
    }

    fn until(
        &mut self,
        position: Option<EventPosition>,
        shown: Option<&AuditEvent<'_>>,
        take: &mut impl FnMut(&AuditEvent<'_>),
    ) -> Result<(), AuditError> {
        loop {
            let next = self.files.iter().filter_map(|file| file.next.as_ref());
            let Some(at) = next.map(|(at, _)| *at).min() else {
                return Ok(());
            };
            if position.is_some_and(|position| at > position) {
                return Ok(());
            }
            // The same event is in two files, or in a file and in the shop, if an archive ended before it was done.
            let mut told: Vec<String> = shown
                .filter(|_| Some(at) == position)
                .map_or_else(Vec::new, |shown| vec![shown.event_id.clone().into_owned()]);
            for file in &mut self.files {
                if file.next.as_ref().is_none_or(|(there, _)| *there != at) {
                    continue;
                }
                let line = file.line - 1;
                let text = file.advance()?.unwrap_or_default();
                let event: Result<AuditEvent<'_>, _> = serde_json::from_str(&text);
                let mut event = event.map_err(|error| {
                    bad(&file.path, line, format!("it is not an event: {error}"))
                })?;
                if told.iter().any(|id| *id == event.event_id) {
                    continue;
                }
                told.push(event.event_id.clone().into_owned());
                event.is_archived = true;
                self.count += 1;
                take(&event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::TempDir;

    use super::*;

    /// An archive with these events, each of a partition (as its line says it) and at a position.
    fn archive(
        folder: &TempDir,
        topics: &str,
        events: &[(&str, &str)],
    ) -> Result<Archive, AuditError> {
        let path = folder.path().join("archive");
        let mut file = File::create(&path).unwrap();
        let header = format!(r#"{{"format":"ordershop-archive","version":1,"topics":{topics}}}"#);
        writeln!(file, "{header}").unwrap();
        for (of, position) in events {
            writeln!(
                file,
                r#"{{{of},"position":"{position}","event_id":"{position}","action":"entity_created","aggregate_id":"a","version":1,"published_at_us":1,"data":{{}}}}"#
            )
            .unwrap();
        }
        Archive::open(&path)
    }

    #[test]
    fn the_events_of_a_partition_are_found_by_its_number() {
        let events = [
            (r#""topic":"cart""#, "1-0"),
            (r#""topic":"order""#, "5-0"),
            (r#""topic":"order""#, "6-0"),
            (r#""topic":"order","partition":1"#, "4-0"),
        ];
        let topics = r#"{"cart":{"events":1},"order":{"events":2},"order.1":{"events":1}}"#;
        let folder = tempfile::tempdir().unwrap();
        let archives = [archive(&folder, topics, &events).unwrap()];
        let read = |name: &str| {
            let mut positions = Vec::new();
            let partition = ShopPartition::named(name).unwrap();
            let events = ArchivedEvents::of(&archives, partition).unwrap();
            let mut take = |event: &AuditEvent<'_>| positions.push(event.position.to_string());
            events.rest(&mut take).unwrap();
            positions
        };
        assert_eq!(read("order"), ["5-0", "6-0"]);
        assert_eq!(read("order.1"), ["4-0"]);
        assert!(read("order.2").is_empty());

        let short = archive(
            &folder,
            r#"{"order":{"events":2},"order.1":{"events":2}}"#,
            &events[1..],
        );
        let problem = short.unwrap_err().to_string();
        assert!(
            problem.ends_with("it has 1 of 2 events of topic order.1"),
            "{problem}"
        );
    }
}
