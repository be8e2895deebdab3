//! Follows a path to what it names, through `use`, `pub use` and `use …::*`.

use crate::member::{Member, identifier};
use crate::tree::{ModuleId, Name, Tree};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Module(ModuleId),
    /// The file that defines the item. If the item isn't found (a macro or a build script may make it), the file of the last module.
    Item(String),
    /// A path that begins with the crate's package.
    External(Vec<String>),
}

/// Resolves paths in one tree.
pub struct Resolver<'a> {
    tree: &'a Tree,
    members: &'a [Member],
    /// Imports that are being followed, so that circles of `use` end.
    following: Vec<(ModuleId, usize, String)>,
}

impl<'a> Resolver<'a> {
    pub fn new(tree: &'a Tree, members: &'a [Member]) -> Self {
        Self {
            tree,
            members,
            following: Vec::new(),
        }
    }

    /// All things that `path` may name in `module`: one, unless a module and a function have the same name.
    pub fn resolve(&mut self, module: ModuleId, path: &[String]) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(self.tree.modules[module].root)],
            "self" | "super" => self.step(Target::Module(module), first),
            name => self.name(module, name),
        };
        if targets.is_empty() {
            targets.extend(self.crate_named(module, first));
        }
        for segment in rest {
            let is_item = |target: &Target| matches!(target, Target::Item(_));
            if !targets.iter().all(is_item) {
                targets.retain(|target| !is_item(target));
            }
            targets = targets
                .into_iter()
                .flat_map(|target| self.step(target, segment))
                .collect();
        }
        targets
    }

    /// What `name` stands for in `module`, crates aside.
    pub fn name(&mut self, module: ModuleId, name: &str) -> Vec<Target> {
        let Some(module_names) = self.tree.modules[module].names.get(name) else {
            return self.name_of_glob(module, name);
        };
        let mut targets = Vec::new();
        for (index, what) in module_names.iter().enumerate() {
            match what {
                Name::Child(child) => targets.push(Target::Module(*child)),
                Name::Item(file) => targets.push(Target::Item(file.clone())),
                Name::Import(path) => targets.extend(self.follow(module, index, name, path)),
            }
        }
        targets.dedup();
        targets
    }

    fn name_of_glob(&mut self, module: ModuleId, name: &str) -> Vec<Target> {
        let mut targets = Vec::new();
        for (index, path) in self.tree.modules[module].globs.iter().enumerate() {
            let key = format!("{name}::*");
            for target in self.follow(module, index, &key, path) {
                if let Target::Module(inner) = target {
                    self.following.push((module, index, key.clone()));
                    targets.extend(self.name(inner, name));
                    self.following.pop();
                }
            }
        }
        targets
    }

    fn follow(
        &mut self,
        module: ModuleId,
        index: usize,
        name: &str,
        path: &[String],
    ) -> Vec<Target> {
        let step = (module, index, name.to_owned());
        if self.following.contains(&step) {
            return Vec::new();
        }
        self.following.push(step);
        let targets = self.resolve(module, path);
        self.following.pop();
        targets
    }

    fn step(&mut self, target: Target, segment: &str) -> Vec<Target> {
        match (target, segment) {
            (Target::Module(module), "super") => self.tree.modules[module]
                .parent
                .map(Target::Module)
                .into_iter()
                .collect(),
            (Target::Module(module), "self" | "*") => vec![Target::Module(module)],
            (Target::Module(module), name) => {
                let found = self.name(module, name);
                let unknown = || vec![Target::Item(self.tree.modules[module].file.clone())];
                if found.is_empty() { unknown() } else { found }
            }
            (Target::External(mut path), name) => {
                path.push(name.to_owned());
                vec![Target::External(path)]
            }
            (item, _) => vec![item],
        }
    }

    fn crate_named(&self, module: ModuleId, name: &str) -> Option<Target> {
        if matches!(name, "std" | "core" | "alloc") {
            return Some(Target::External(vec!["std".to_owned()]));
        }
        let member = &self.members[self.tree.modules[module].member];
        let dependency = member
            .dependencies
            .iter()
            .find(|dependency| dependency.name == name);
        let package = dependency.map_or(name.to_owned(), |found| identifier(&found.package));
        let library = self
            .tree
            .libraries
            .get(&package)
            .copied()
            .map(Target::Module);
        library.or_else(|| dependency.map(|_| Target::External(vec![package])))
    }
}
