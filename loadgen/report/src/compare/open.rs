//! Opens the runs of a command line argument as a group: a run's folder, its `report.json`, or a folder of runs; several separated by
//! commas.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::blocks::Blocks;
use super::{CompareError, Group};
use crate::folder::{REPORT_FILE, RunFolder};

impl Group {
    /// Opens the runs at one or more paths, separated by commas.
    ///
    /// # Errors
    /// There are no runs, or one can't be read.
    pub fn open(named: &str) -> Result<Self, CompareError> {
        let mut runs = Vec::new();
        let mut asked = BTreeMap::new();
        let mut blocks: Option<Vec<u32>> = Some(Vec::new());
        for part in named.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (folder, paths) = runs_in(Path::new(part))?;
            let known = folder.map(|folder| Blocks::read(&folder)).transpose()?;
            let known = known.flatten();
            asked.extend(known.iter().flat_map(|known| known.asked.clone()));
            for path in paths {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let block = known.as_ref().map(|known| {
                    known.blocks.get(name.as_ref()).copied().ok_or_else(|| {
                        let place = path.display();
                        CompareError::Blocks(format!(
                            "{place}: the blocks.json beside this run has no block for it"
                        ))
                    })
                });
                // If only some runs have a block, no blocks are used.
                match (block.transpose()?, &mut blocks) {
                    (Some(block), Some(blocks)) => blocks.push(block),
                    _ => blocks = None,
                }
                runs.push(RunFolder::open(&path)?);
            }
        }
        if runs.is_empty() {
            return Err(CompareError::Empty {
                group: named.to_owned(),
            });
        }
        Ok(Self {
            label: named.to_owned(),
            runs,
            blocks,
            asked,
        })
    }
}

/// The folder itself if it holds runs' folders, and the runs' folders.
fn runs_in(path: &Path) -> Result<(Option<PathBuf>, Vec<PathBuf>), CompareError> {
    if !path.exists() {
        return Err(CompareError::Missing(path.to_owned()));
    }
    if path.is_file() {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        return match path.file_name().is_some_and(|name| name == REPORT_FILE) {
            true => Ok((None, vec![folder])),
            false => Err(CompareError::NoRun(path.to_owned())),
        };
    }
    if path.join(REPORT_FILE).exists() {
        return Ok((None, vec![path.to_owned()]));
    }
    let entries = std::fs::read_dir(path).map_err(|error| CompareError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let mut runs: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.join(REPORT_FILE).exists())
        .collect();
    runs.sort();
    Ok((Some(path.to_owned()), runs))
}
