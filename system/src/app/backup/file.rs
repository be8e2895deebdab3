//! The file of a backup: a line that describes it, then a line for each thing in it, and at last a line with the checksum of all before. Knows the
//! form, not when what is in it was read.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::app::archive::file::Line as EventLine;
use crate::app::archive::lines::{FileError, Lines, NewFile};
use ordershop_contract::partition::Partitions;
use ordershop_redis::backup::{ArchiveMark, Groups, KeptClaim, KeptLetter, KeptMessage};

/// What the first line says that the file is.
const FORMAT: &str = "ordershop-backup";
/// The version of the form; another one is refused.
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    format: String,
    version: u32,
    /// When it was begun, RFC 3339.
    begun_at: String,
    /// How many partitions each topic of the shop has; a file of before says nothing, and has one.
    #[serde(default = "one")]
    partitions: u8,
    /// Up to where each consumer group has handled everything.
    pub groups: Groups,
}

/// What every file of this program begins with.
#[derive(Deserialize)]
struct Form {
    format: String,
    version: u32,
}

impl Header {
    /// The first line of a file that is written now.
    pub fn new(partitions: Partitions, groups: Groups) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            begun_at: jiff::Timestamp::now().to_string(),
            partitions: partitions.count(),
            groups,
        }
    }

    /// How many partitions each topic of the shop has; `None` if no shop has so many.
    pub fn partitions(&self) -> Option<Partitions> {
        Partitions::new(self.partitions)
    }
}

const fn one() -> u8 {
    1
}

/// Any other line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A claim that follows from no event.
    Claim(KeptClaim),
    /// A consumer group's dead letter.
    DeadLetter(KeptLetter),
    /// The shop's place in its archives.
    Archive(ArchiveMark),
    /// A message of a queue.
    Message(KeptMessage),
    /// An event, partition by partition, each in the order of its stream.
    Event(EventLine),
    /// The last line: the SHA-256 of all lines before, in hexadecimal.
    Sha256(String),
}

/// A new backup.
pub struct BackupWriter {
    file: NewFile,
    sum: Sha256,
}

impl BackupWriter {
    /// Begins a file; nothing of that name may be there.
    pub fn begin(path: &Path, header: &Header) -> Result<Self, FileError> {
        let file = NewFile::begin(path)?;
        let sum = Sha256::new();
        let mut writer = Self { file, sum };
        writer.line(header)?;
        Ok(writer)
    }

    /// Adds a line.
    pub fn add(&mut self, record: &Record) -> Result<(), FileError> {
        self.line(record)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), FileError> {
        let written = self.file.line(line)?;
        self.sum.update(written);
        Ok(())
    }

    /// Brings the file to the disk and gives it its name. Nothing that has that name meanwhile is replaced.
    pub fn finish(mut self) -> Result<(), FileError> {
        let sum = hex(self.sum);
        self.file.line(&Record::Sha256(sum))?;
        self.file.finish()
    }
}

/// A backup that is read line by line.
pub struct BackupReader {
    lines: Lines,
    sum: Sha256,
    /// What the first line says.
    pub header: Header,
}

impl BackupReader {
    /// Opens a file if it is a backup, and reads its first line.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        let mut lines = Lines::open(path)?;
        lines.next()?;
        let Ok(Form { format, version }) = lines.parse("") else {
            return Ok(None);
        };
        if format != FORMAT {
            return Ok(None);
        }
        if version != VERSION {
            return Err(lines.broken(format!(
                "it is {format:?} version {version}; this program reads version {VERSION}"
            )));
        }
        Ok(Some(Self {
            header: lines.parse("it is no backup of OrderShop")?,
            sum: Sha256::new_with_prefix(lines.text()),
            lines,
        }))
    }

    /// The next line, but for the last one, of which the checksum must be that of all before: `None` then.
    pub fn next(&mut self) -> Result<Option<Record>, FileError> {
        if !self.lines.next()? {
            return Err(self.lines.broken("the file ends, and is not complete"));
        }
        let record: Record = self.lines.parse("it is no part of a backup")?;
        let Record::Sha256(sum) = record else {
            self.sum.update(self.lines.text());
            return Ok(Some(record));
        };
        if sum != hex(self.sum.clone()) {
            let altered = "the lines before are not as they were written: the file was altered";
            return Err(self.lines.broken(altered));
        }
        match self.lines.next()? {
            true => Err(self.lines.broken("the file goes on after its last line")),
            false => Ok(None),
        }
    }

    /// Checks the whole file, and returns its checksum.
    pub fn check(mut self) -> Result<String, FileError> {
        while self.next()?.is_some() {}
        Ok(hex(self.sum))
    }
}

fn hex(sum: Sha256) -> String {
    let sum = sum.finalize();
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
