//! The folder that a command writes its report to: one of its own, which no other run writes to and which holds no other report.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::terminal::UNWRITTEN;
use loadgen_report::capacity::CAPACITY_FILE;
use loadgen_report::folder::REPORT_FILE;

/// Where the folders are that nobody named.
const PARENT: &str = "reports/runs";
/// The file that is locked while the folder is written to; it is removed at the end.
const LOCK: &str = ".writing";
/// The record of an experiment.
pub const RECORD_FILE: &str = "ab.json";
/// The files that a report can't do without.
const REPORTS: [&str; 3] = [REPORT_FILE, CAPACITY_FILE, RECORD_FILE];
/// The endings of the files that a run writes to its folder.
const ENDINGS: [&str; 9] = [
    "data", "html", "hlog", "json", "log", "md", "part", "svg", "txt",
];
/// How deep the runs of a search or an experiment are below its folder.
const RUNS_DEPTH: usize = 2;
/// Most characters of a scenario's name in a folder's name; file systems allow 255 bytes.
const NAME_CHARS_MAX: usize = 50;

/// Why a folder can't be written to.
#[derive(Debug, thiserror::Error)]
pub enum OutFolderError {
    /// The folder holds a report.
    #[error("{} already holds a report; name another folder with --out, or remove it", .0.display())]
    Occupied(PathBuf),
    /// Another run writes to the folder.
    #[error("{} is being written to by another run; name another folder with --out", .0.display())]
    InUse(PathBuf),
    /// The folder can't be created or written to.
    #[error("can't write to {}: {error}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

impl OutFolderError {
    fn unusable(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        Self::Unusable { path, error }
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Occupied(_) | Self::InUse(_) => 2,
            Self::Unusable { .. } => UNWRITTEN,
        }
    }
}

/// A folder that only this command writes to, until it is dropped. One that is still empty then is removed.
#[derive(Debug)]
pub struct OutFolder {
    path: PathBuf,
    /// Locked, where the file system has locks.
    _lock: File,
}

impl OutFolder {
    /// The folder that was asked for, or a new one, such as `reports/runs/<name>-20260131-235959` with the time in UTC. Beside one that
    /// holds a report, or that another run writes to, it is `<folder>-2` and so on.
    ///
    /// # Errors
    /// It can't be written to; or it is taken, and its path has no name that a number could follow (`.`, `..`, `/`).
    pub fn given_or_new(given: Option<&Path>, name: &str) -> Result<Self, OutFolderError> {
        let Some(given) = given else {
            return Self::create(Path::new(PARENT), name);
        };
        let mut number = 1;
        loop {
            match Self::claim(&numbered(given, number)) {
                Err(OutFolderError::Occupied(_) | OutFolderError::InUse(_))
                    if given.file_name().is_some() =>
                {
                    number += 1;
                }
                claimed => return claimed,
            }
        }
    }

    /// Takes a folder, and creates it where it is missing.
    ///
    /// # Errors
    /// It holds a report, another run writes to it, or it can't be written to.
    pub fn claim(path: &Path) -> Result<Self, OutFolderError> {
        fs::create_dir_all(path).map_err(|e| OutFolderError::unusable(path, e))?;
        Self::lock(path)
    }

    /// The same for a folder that holds several runs: those of a search or an experiment that did not end count as a report.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub fn claim_for_runs(given: Option<&Path>, name: &str) -> Result<Self, OutFolderError> {
        let folder = match given {
            Some(given) => Self::claim(given),
            None => Self::create(Path::new(PARENT), name),
        }?;
        match has_report(&folder.path, RUNS_DEPTH) {
            true => Err(OutFolderError::Occupied(folder.path.clone())),
            false => Ok(folder),
        }
    }

    /// Creates a folder that nobody else has created: runs that begin in the same second get a number.
    fn create(parent: &Path, name: &str) -> Result<Self, OutFolderError> {
        fs::create_dir_all(parent).map_err(|e| OutFolderError::unusable(parent, e))?;
        let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
        let first = format!("{}-{time}", plain(name));
        let mut number = 1;
        loop {
            let path = numbered(&parent.join(&first), number);
            match fs::create_dir(&path) {
                Ok(()) => return Self::lock(&path),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(OutFolderError::unusable(&path, e)),
            }
        }
    }

    fn lock(path: &Path) -> Result<Self, OutFolderError> {
        let mut options = File::options();
        let lock = options.create(true).append(true).open(path.join(LOCK));
        let lock = lock.map_err(|e| OutFolderError::unusable(path, e))?;
        // A file system without locks has none to be held.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(OutFolderError::InUse(path.to_owned()));
        }
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        match has_report(path, 0) {
            true => Err(OutFolderError::Occupied(path.to_owned())),
            false => Ok(folder),
        }
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OutFolder {
    fn drop(&mut self) {
        fs::remove_file(self.path.join(LOCK)).ok();
        // Only an empty folder can be removed so.
        fs::remove_dir(&self.path).ok();
    }
}

/// `folder`, `folder-2`, `folder-3` …
fn numbered(folder: &Path, number: u32) -> PathBuf {
    match (number, folder.file_name()) {
        (2.., Some(name)) => {
            let mut name = name.to_owned();
            name.push(format!("-{number}"));
            folder.with_file_name(name)
        }
        _ => folder.to_owned(),
    }
}

/// Whether a file of this name in a run's folder is one that the run itself writes.
pub fn is_own(name: &Path) -> bool {
    let ending = name.extension().unwrap_or_default();
    name.as_os_str() == LOCK || ENDINGS.iter().any(|own| ending.eq_ignore_ascii_case(own))
}

fn has_report(folder: &Path, depth: usize) -> bool {
    if REPORTS.iter().any(|file| folder.join(file).exists()) {
        return true;
    }
    let mut below = fs::read_dir(folder).into_iter().flatten().flatten();
    depth > 0 && below.any(|entry| has_report(&entry.path(), depth - 1))
}

/// A scenario's name as a part of a folder's name.
fn plain(name: &str) -> String {
    let plain = |c: char| match c.is_alphanumeric() || c == '-' || c == '.' {
        true => c,
        false => '_',
    };
    name.chars().map(plain).take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_second_and_of_any_name_are_different_ones_in_the_same_place() {
        let parent = tempfile::tempdir().unwrap();
        let names = ["a", "a", "a", "../a/b\u{1b}", &"é".repeat(300)];
        let folders: Vec<_> = names
            .iter()
            .map(|name| OutFolder::create(parent.path(), name).unwrap())
            .collect();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), names.len());
        drop(folders);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_belongs_to_one_run_at_a_time_and_to_none_if_it_holds_a_report() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        let first = OutFolder::claim(&path).unwrap();
        let second = OutFolder::claim(&path).unwrap_err();
        assert!(matches!(second, OutFolderError::InUse(_)), "{second}");
        fs::write(path.join("ordershop.log"), "left by a run that failed").unwrap();
        drop(first);

        fs::create_dir(path.join("01-20")).unwrap();
        fs::write(path.join("01-20").join(REPORT_FILE), "{}").unwrap();
        drop(OutFolder::claim(&path).unwrap());
        let search = OutFolder::claim_for_runs(Some(&path), "any").unwrap_err();
        assert!(matches!(search, OutFolderError::Occupied(_)), "{search}");

        fs::write(path.join(REPORT_FILE), "{}").unwrap();
        let third = OutFolder::claim(&path).unwrap_err();
        assert!(matches!(third, OutFolderError::Occupied(_)), "{third}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
    }
}
