//! A first scenario: commented, and ready to be run against any HTTP service.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::catalog;

const TEXT: &str = include_str!("starter.toml");
const NAME: &str = "my-scenario";

/// A scenario could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StarterError {
    /// The file exists already; it is not overwritten.
    #[error("{} exists already: choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// There is no built-in scenario of this name to copy.
    #[error("--from {0}: no built-in scenario has this name; `loadgen list` has their names")]
    NoModel(String),
    /// The name has characters that are not allowed.
    #[error(
        "`{0}` is not a name; allowed: letters, digits, `-`, `_` and `.`, or a path that ends in .toml"
    )]
    Name(String),
    /// The file could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file's path.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
}

/// Writes `NAME.toml`, or the path that ends in `.toml`, and returns the path: the commented starter, or a copy of the built-in scenario
/// `from`. Never overwrites a file.
pub fn write(name: Option<&str>, from: Option<&str>) -> Result<PathBuf, StarterError> {
    let text = match from {
        None => TEXT,
        Some(from) => {
            catalog::built_in(from).ok_or_else(|| StarterError::NoModel(from.to_owned()))?
        }
    };
    let model = from.unwrap_or(NAME);
    let given = name.unwrap_or(model);
    let path = match given.ends_with(".toml") {
        true => PathBuf::from(given),
        false => PathBuf::from(format!("{given}.toml")),
    };
    let stem = path
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default();
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(legal) {
        return Err(StarterError::Name(given.to_owned()));
    }
    create(&path, &renamed(text, model, stem))?;
    Ok(path)
}

/// The text as a scenario of this name. A copy from the gallery is no longer a part of it.
fn renamed(text: &str, model: &str, name: &str) -> String {
    if model == NAME {
        return text.replace(NAME, name);
    }
    let lines = text.lines().filter(|line| !line.starts_with("# Gallery:"));
    let lines: Vec<&str> = lines.collect();
    let text = lines.join("\n") + "\n";
    text.replace(
        &format!("name = \"{model}\""),
        &format!("name = \"{name}\""),
    )
    .replace("#:schema ../", "#:schema ./")
}

fn create(path: &Path, text: &str) -> Result<(), StarterError> {
    let unwritable = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => StarterError::Exists(path.to_owned()),
        _ => StarterError::Unwritable {
            path: path.to_owned(),
            error,
        },
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)
}
