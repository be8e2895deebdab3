//! The module tree: every module of every crate, with the names it holds and the paths it writes. Code for tests is left out.

use std::collections::{BTreeSet, HashMap};

/// A module's place in `Tree::modules`.
pub type ModuleId = usize;

/// All modules.
#[derive(Default)]
pub struct Tree {
    pub modules: Vec<Module>,
    /// The root module of each library, by its name in code.
    pub libraries: HashMap<String, ModuleId>,
}

/// A module, with a file of its own or inside its parent's.
pub struct Module {
    /// From the repository's root.
    pub file: String,
    /// Where it is in the list of members.
    pub member: usize,
    pub root: ModuleId,
    pub parent: Option<ModuleId>,
    pub names: HashMap<String, Vec<Name>>,
    /// Paths of `use …::*`, without the `*`.
    pub globs: Vec<Vec<String>>,
    pub mentions: Vec<Mention>,
}

/// What a name in a module stands for.
pub enum Name {
    Child(ModuleId),
    /// Anything but a module, with the file that defines it.
    Item(String),
    Import(Vec<String>),
}

/// A path that a module writes.
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
    pub in_use: bool,
}

impl Tree {
    /// Adds an empty module.
    pub fn add(&mut self, file: String, member: usize, parent: Option<ModuleId>) -> ModuleId {
        let id = self.modules.len();
        self.modules.push(Module {
            file,
            member,
            root: parent.map_or(id, |parent| self.modules[parent].root),
            parent,
            names: HashMap::new(),
            globs: Vec::new(),
            mentions: Vec::new(),
        });
        id
    }

    /// Gives a name in a module a meaning, beside those that it has.
    pub fn name(&mut self, module: ModuleId, name: String, what: Name) {
        self.modules[module]
            .names
            .entry(name)
            .or_default()
            .push(what);
    }

    /// All files, each once.
    pub fn files(&self) -> Vec<&str> {
        let files: BTreeSet<&str> = self
            .modules
            .iter()
            .map(|module| module.file.as_str())
            .collect();
        files.into_iter().collect()
    }
}
