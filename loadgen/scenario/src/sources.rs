//! What a scenario is read from: its text, the files and the environment variables that it names, and the command line's changes. Together
//! they are the scenario: another machine reads the same one from them, and nothing of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::changes::Change;

/// A scenario for another machine. It holds the values of environment variables: it must not be shown.
#[derive(Serialize, Deserialize)]
pub struct Sources {
    /// The scenario's name in errors.
    pub(crate) file: String,
    pub(crate) text: String,
    /// The files that it names, in base64, by the path at which they are opened.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) changes: Vec<Change>,
}

/// From where a scenario was read on this machine.
#[derive(Debug, Default)]
pub struct ReadFrom {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) paths: Vec<PathBuf>,
    /// What the command line has changed since.
    pub(crate) changes: Vec<Change>,
}

impl ReadFrom {
    /// The scenario's file and those that it names.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let named = self.paths.iter().map(PathBuf::as_path);
        std::iter::once(Path::new(&self.file)).chain(named)
    }
}

/// A file that was opened.
pub(crate) trait Opened: Read + Seek {}

impl<T: Read + Seek> Opened for T {}

/// The files and the environment variables that a scenario's text names: this machine's, or those that another one has told.
#[derive(Default)]
pub(crate) struct Files<'a> {
    told: Option<&'a Sources>,
    opened: RefCell<Vec<PathBuf>>,
}

impl<'a> Files<'a> {
    /// Those that another machine has told.
    pub(crate) fn told(sources: &'a Sources) -> Self {
        Self {
            told: Some(sources),
            opened: RefCell::default(),
        }
    }

    pub(crate) fn open(&self, path: &Path) -> io::Result<Box<dyn Opened>> {
        self.opened.borrow_mut().push(path.to_owned());
        let Some(told) = self.told else {
            return Ok(Box::new(File::open(path)?));
        };
        let encoded = path.to_str().and_then(|path| told.files.get(path));
        let encoded = encoded.ok_or(io::ErrorKind::NotFound)?;
        let bytes = STANDARD.decode(encoded).map_err(io::Error::other)?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    pub(crate) fn variable(&self, name: &str) -> Result<String, VarError> {
        match self.told {
            Some(told) => {
                let value = told.environment.get(name);
                value.cloned().ok_or(VarError::NotPresent)
            }
            None => std::env::var(name),
        }
    }

    /// The files that were opened, each once.
    pub(crate) fn opened(&self) -> Vec<PathBuf> {
        let mut paths = self.opened.borrow().clone();
        paths.sort();
        paths.dedup();
        paths
    }
}
