//! Where scenarios are found: a path, a `scenarios` folder, or the ones built into the program.

use std::path::{Path, PathBuf};

use super::diagnostic::ScenarioError;
use super::{Scenario, read};

const BUILT_IN: &[(&str, &str)] = &[
    ("browse", include_str!("../built_in/browse.toml")),
    ("bulk-import", include_str!("../built_in/bulk-import.toml")),
    (
        "cart-updates",
        include_str!("../built_in/cart-updates.toml"),
    ),
    (
        "chaos-network",
        include_str!("../built_in/chaos-network.toml"),
    ),
    ("chaos-redis", include_str!("../built_in/chaos-redis.toml")),
    (
        "chaos-services",
        include_str!("../built_in/chaos-services.toml"),
    ),
    ("checkout", include_str!("../built_in/checkout.toml")),
    ("flash-sale", include_str!("../built_in/flash-sale.toml")),
    ("lifecycle", include_str!("../built_in/lifecycle.toml")),
    ("outage", include_str!("../built_in/outage.toml")),
    ("replay", include_str!("../built_in/replay.toml")),
    // The gallery: starting points for services that aren't OrderShop.
    (
        "file-upload",
        include_str!("../built_in/gallery/file-upload.toml"),
    ),
    ("graphql", include_str!("../built_in/gallery/graphql.toml")),
    (
        "login-token",
        include_str!("../built_in/gallery/login-token.toml"),
    ),
    (
        "paginated-crawl",
        include_str!("../built_in/gallery/paginated-crawl.toml"),
    ),
    (
        "polling-job",
        include_str!("../built_in/gallery/polling-job.toml"),
    ),
    (
        "reads-and-writes",
        include_str!("../built_in/gallery/reads-and-writes.toml"),
    ),
    ("webhook", include_str!("../built_in/gallery/webhook.toml")),
];

/// The text of a built-in scenario.
pub(crate) fn built_in(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// The folders to search, in order: the given one alone, or `./scenarios` and those in the program's ancestor folders.
fn folders(given: Option<&Path>) -> Vec<PathBuf> {
    if let Some(folder) = given {
        return vec![folder.to_owned()];
    }
    let mut folders = vec![PathBuf::from("scenarios")];
    if let Ok(program) = std::env::current_exe() {
        folders.extend(
            program
                .ancestors()
                .skip(1)
                .take(4)
                .map(|a| a.join("scenarios")),
        );
    }
    folders
}

fn file_text(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
        path: path.display().to_string(),
        error,
    })
}

/// Reads a scenario by name, or by path if `name` has a separator or ends in `.toml`.
pub fn find(name: &str, folder: Option<&Path>) -> Result<Scenario, ScenarioError> {
    if name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
        return read(name, &file_text(Path::new(name))?);
    }
    for folder in folders(folder) {
        let path = folder.join(name).with_extension("toml");
        if path.is_file() {
            return read(&path.display().to_string(), &file_text(&path)?);
        }
    }
    match built_in(name) {
        Some(text) => read(&format!("{name} (built in)"), text),
        None => {
            let known = names(folder).join(", ");
            let file = format!("{name}.toml");
            let here = match Path::new(&file).is_file() {
                true => format!("did you mean `{file}`? "),
                false => String::new(),
            };
            Err(ScenarioError::Unknown {
                name: name.to_owned(),
                known,
                here,
            })
        }
    }
}

/// The names that `find` knows, sorted.
pub fn names(folder: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    for folder in folders(folder) {
        let files = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let scenarios = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
        names.extend(scenarios.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())));
    }
    names.sort();
    names.dedup();
    names
}
