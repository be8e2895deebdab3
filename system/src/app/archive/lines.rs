//! Files of many lines: written under another name until they are complete and on the disk, and read line by line. Knows no form.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use ordershop_contract::failpoint::Failpoint;

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
    /// It is not what it should be, or is broken.
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
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    text: Vec<u8>,
}

impl NewFile {
    /// Begins a file; nothing of that name may be there.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        refuse_existing(path)?;
        let file = NamedTempFile::new_in(folder(path)).map_err(|error| FileError::Io {
            path: path.to_owned(),
            error,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            text: Vec::new(),
        })
    }

    /// Adds a line, and returns what was written.
    pub fn line(&mut self, line: &impl Serialize) -> Result<&[u8], FileError> {
        self.text.clear();
        let written = serde_json::to_writer(&mut self.text, line).map_err(std::io::Error::from);
        self.text.push(b'\n');
        let written = written.and_then(|()| self.file.write_all(&self.text));
        written.map_err(|error| FileError::Io {
            path: self.path.clone(),
            error,
        })?;
        Ok(&self.text)
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
            "it is there already, and is never written over; choose another name",
        ),
    };
    Err(FileError::Io {
        path: path.to_owned(),
        error,
    })
}

/// A file that is read line by line.
pub struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    text: String,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|error| FileError::Io {
            path: path.to_owned(),
            error,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 20, file),
            line: 0,
            text: String::new(),
        })
    }

    /// Reads the next line; `false` at the end.
    pub fn next(&mut self) -> Result<bool, FileError> {
        self.text.clear();
        self.line += 1;
        let read = self.file.read_line(&mut self.text);
        let bytes = read.map_err(|error| FileError::Io {
            path: self.path.clone(),
            error,
        })?;
        Ok(bytes > 0)
    }

    /// The line that was read, with its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the line that was read says; if it says nothing of that kind, it `is_not` what it should be.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self, is_not: &str) -> Result<T, FileError> {
        serde_json::from_str(&self.text).map_err(|error| self.broken(format!("{is_not}: {error}")))
    }

    /// That there is something wrong with the line that was read.
    pub fn broken(&self, problem: impl Into<String>) -> FileError {
        FileError::Broken {
            path: self.path.clone(),
            line: self.line,
            problem: problem.into(),
        }
    }
}
