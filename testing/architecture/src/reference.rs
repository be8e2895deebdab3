//! What the files' paths lead to.

use crate::member::Member;
use crate::resolver::{Resolver, Target};
use crate::tree::{Name, Tree};

/// A path in a file, resolved.
pub struct Reference<'a> {
    pub from: &'a str,
    pub line: usize,
    pub to: Target,
    /// How many segments of an external path a `use` in the same module has named already.
    pub known: usize,
}

/// All references. An item that a `use` imports is one at the `use`, not where it is used.
pub fn references<'a>(tree: &'a Tree, members: &[Member]) -> Vec<Reference<'a>> {
    let mut references = Vec::new();
    let mut resolver = Resolver::new(tree, members);
    for (id, module) in tree.modules.iter().enumerate() {
        for mention in &module.mentions {
            let named = module.names.get(&mention.path[0]);
            let is_import = |name: &Name| matches!(name, Name::Import(_));
            let mut imported = Vec::new();
            let targets = if mention.in_use || mention.path.len() > 1 {
                if !mention.in_use && named.is_some_and(|names| names.iter().any(is_import)) {
                    imported = resolver.resolve(id, &mention.path[..1]);
                }
                resolver.resolve(id, &mention.path)
            } else if named.is_none() {
                // Only a glob can have brought a bare name that isn't the module's own.
                resolver.name(id, &mention.path[0])
            } else {
                Vec::new()
            };
            let length = |target: &Target| {
                if let Target::External(path) = target {
                    path.len()
                } else {
                    0
                }
            };
            let known = imported.iter().map(length).max().unwrap_or_default();
            for to in targets
                .into_iter()
                .filter(|target| !imported.contains(target))
            {
                references.push(Reference {
                    from: &module.file,
                    line: mention.line,
                    to,
                    known,
                });
            }
        }
    }
    references
}
