//! Checks the rules of ARCHITECTURE.md: which module may import which, what it must not know, and that no imports go in a circle.
//!
//! It reads source text, not what the compiler sees. It can't see a type that is used but never named (the result of a method), code that a
//! build script or a macro makes, a `macro_rules!` used by its bare name, and templates.

mod breach;
mod circle;
mod collector;
mod loader;
mod member;
mod reference;
mod resolver;
mod table;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

pub use breach::Breaches;

use circle::{Graph, siblings};
use member::{Member, identifier, members, read};
use reference::{Reference, references};
use resolver::Target;
use table::{ARCHITECTURE, Row, Table};
use tree::Tree;

/// All breaches in the repository at `root`.
#[must_use]
pub fn breaches(root: &Path) -> Breaches {
    let mut breaches = Breaches::default();
    let (members, external) = members(root, &mut breaches);
    let text = read(root, ARCHITECTURE, &mut breaches).unwrap_or_default();
    let table = Table::read(&text, &mut breaches);
    let tree = loader::load(root, &members, &mut breaches);
    table.check(&tree.files(), &members, &external, &mut breaches);
    manifests(&table, &members, &mut breaches);
    let references = references(&tree, &members);
    imports(&table, &tree, &members, &references, &mut breaches);
    circles(&tree, &references, &mut breaches);
    breaches
}

/// A crate may depend on what one of its rows allows.
fn manifests(table: &Table, members: &[Member], breaches: &mut Breaches) {
    for member in members {
        let inside = format!("{}/src", member.folder);
        let is_own = |row: &&Row| row.module == member.folder || row.module.starts_with(&inside);
        for dependency in &member.dependencies {
            let target = members
                .iter()
                .find(|member| member.package == dependency.package);
            let forbids = |row: &Row| match target {
                Some(target) => {
                    row.forbids_module(table.module_of(&target.library_file(), members))
                }
                None => row.forbids_external(&[identifier(&dependency.package)], 0),
            };
            let all: Option<Vec<String>> = table.rows.iter().filter(is_own).map(forbids).collect();
            if let Some(what) = all.and_then(|all| all.into_iter().next()) {
                breaches.add(&member.manifest(), dependency.line, what);
            }
        }
    }
}

fn imports(
    table: &Table,
    tree: &Tree,
    members: &[Member],
    references: &[Reference<'_>],
    breaches: &mut Breaches,
) {
    for Reference {
        from,
        line,
        to,
        known,
    } in references
    {
        let Some(row) = table.row_of(from) else {
            continue;
        };
        let what = match to {
            Target::External(path) => row.forbids_external(path, *known),
            Target::Item(file) => row.forbids_module(table.module_of(file, members)),
            Target::Module(id) => {
                row.forbids_module(table.module_of(&tree.modules[*id].file, members))
            }
        };
        if let Some(what) = what {
            breaches.add(from, *line, what);
        }
    }
}

/// A module that is named as such (`use crate::feed;`) imports nothing yet: what is named in it (`feed::Feed`) does.
fn circles(tree: &Tree, references: &[Reference<'_>], breaches: &mut Breaches) {
    let folders = tree
        .files()
        .into_iter()
        .filter_map(|file| Some(file.rsplit_once('/')?.0));
    let folders: BTreeSet<&str> = folders.collect();
    let (mut files, mut modules) = (Graph::default(), Graph::default());
    for Reference { from, line, to, .. } in references {
        if let Target::Item(to) = to
            && let Some((outer, inner)) = siblings(from, to, &folders)
        {
            files.add(from, to, from, *line);
            modules.add(outer, inner, from, *line);
        }
    }
    files
        .circles()
        .into_iter()
        .for_each(|circle| circle.report("files", breaches));
    // A circle of nothing but files has been reported.
    let modules = modules
        .circles()
        .into_iter()
        .filter(|circle| !circle.has_only_files());
    modules.for_each(|circle| circle.report("modules", breaches));
}
