//! The child processes of a process, as the operating system lists them.

use std::path::Path;

/// A running process with its arguments.
#[derive(Clone, Debug)]
pub struct Running {
    pub pid: u32,
    pub parent: u32,
    pub arguments: Vec<String>,
}

impl Running {
    /// Whether one of its arguments is this word.
    pub fn is(&self, word: &str) -> bool {
        self.arguments.iter().any(|argument| argument == word)
    }
}

/// The children of a process.
pub fn children_of(parent: u32) -> Vec<Running> {
    running().filter(|one| one.parent == parent).collect()
}

/// The processes that have a folder, or a path in it, among their arguments.
pub fn mentioning(folder: &Path) -> Vec<Running> {
    let folder = folder.to_str().unwrap().to_owned();
    let mentions = move |one: &Running| one.arguments.iter().any(|a| a.contains(&folder));
    running().filter(mentions).collect()
}

fn running() -> impl Iterator<Item = Running> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    // A process may end between the reads.
    pids.filter_map(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        if field("State:")?.starts_with('Z') {
            return None;
        }
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let arguments = line.split(|&byte| byte == 0);
        Some(Running {
            pid,
            parent: field("PPid:")?.parse().ok()?,
            arguments: arguments
                .map(|argument| String::from_utf8_lossy(argument).into_owned())
                .collect(),
        })
    })
}
