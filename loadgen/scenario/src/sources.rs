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

use crate::compile::read_from;
use crate::overrides::Change;
use crate::scenario::Scenario;

/// A scenario for another machine. It holds the values of environment variables: it must not be shown.
#[derive(Serialize, Deserialize)]
pub struct Sources {
    /// The scenario's name in errors.
    file: String,
    text: String,
    /// The files that it names, in base64, by the path at which they are opened.
    files: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    changes: Vec<Change>,
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

impl Sources {
    /// The sources of a scenario; its files are read again. The error is for people.
    pub fn of(scenario: &Scenario) -> Result<Self, String> {
        let from = &scenario.read_from;
        let mut files = BTreeMap::new();
        for path in &from.paths {
            let wrong = |problem: String| format!("{}: {problem}", path.display());
            let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
            let name = path.to_str();
            let name = name.ok_or_else(|| wrong("the path is not UTF-8 text".to_owned()))?;
            files.insert(name.to_owned(), STANDARD.encode(bytes));
        }
        let environment = scenario.secrets.values();
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self {
            file: from.file.clone(),
            text: from.text.clone(),
            files,
            environment: environment.collect(),
            changes: from.changes.clone(),
        })
    }

    /// The scenario. Reads no file and no environment variable of this machine. The error is for people.
    pub fn read(&self) -> Result<Scenario, String> {
        let files = Files {
            told: Some(self),
            opened: RefCell::default(),
        };
        let read = read_from(&self.file, &self.text, files);
        let mut scenario = read.map_err(|e| e.to_string())?;
        for change in &self.changes {
            scenario.change(change)?;
        }
        Ok(scenario)
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

impl Files<'_> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{FeederSource, Overrides, Stage};

    const TEXT: &str = r#"
name = "s"
description = "d"
[parameters]
size = 1
[workload]
kind = "open"
rate = 10.0
duration = "1s"
[[feeders]]
name = "row"
csv = "rows.csv"
pick = "sequential"
[[journeys]]
name = "j"
[[journeys.steps]]
name = "post"
request = { method = "POST", path = "/{{row.a}}/{{size}}/{{env.PATH}}", file = "body.bin" }
"#;

    #[test]
    fn a_scenario_read_elsewhere_is_the_same_one_without_the_files_of_that_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.csv"), "a\n1\n2\n").unwrap();
        std::fs::write(folder.path().join("body.bin"), [0, 255, 1]).unwrap();
        let file = folder.path().join("s.toml");
        let mut here = crate::read(file.to_str().unwrap(), TEXT).unwrap();
        let overrides = Overrides {
            rates: vec![(None, 20.0)],
            parameters: vec![("size".into(), "7".into())],
            ..Overrides::default()
        };
        here.apply(&overrides).unwrap();
        let second = Duration::from_secs(1);
        here.probe(30.0, second * 5, second).unwrap();
        let wire = serde_json::to_string(&Sources::of(&here).unwrap()).unwrap();
        drop(folder);

        let told: Sources = serde_json::from_str(&wire).unwrap();
        let there = told.read().unwrap();

        assert_eq!(there.parameters, here.parameters);
        let probed = Stage::constant(second * 5, 30.0);
        assert_eq!(there.workloads[0].stages(), [probed]);
        assert_eq!(there.workloads[0].warm_up, second);
        assert_eq!(
            format!("{:?}", there.journeys),
            format!("{:?}", here.journeys)
        );
        let values = |scenario: &Scenario| match &scenario.feeders[0].source {
            FeederSource::Values(values) => values.clone(),
            FeederSource::List(_) => Vec::new(),
        };
        assert_eq!(values(&there).len(), 2);
        assert_eq!(values(&there), values(&here));
        assert_eq!(there.secrets.variable(), here.secrets.variable());
    }
}
