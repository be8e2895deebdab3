//! Loads the module tree from the source files.

use std::path::Path;

use crate::Breaches;
use crate::collector::Collector;
use crate::member::{Member, identifier, read};
use crate::tree::Tree;

/// Reads what the members' libraries and programs consist of.
pub fn load(repository: &Path, members: &[Member], breaches: &mut Breaches) -> Tree {
    let mut tree = Tree::default();
    for (number, member) in members.iter().enumerate() {
        let roots = roots(repository, member);
        if roots.is_empty() {
            let what = "no src/lib.rs, src/main.rs or src/bin".to_owned();
            breaches.add(&member.manifest(), 1, what);
        }
        for file in roots {
            let (folder, _) = file.rsplit_once('/').unwrap_or_default();
            let root = tree.add(file.clone(), number, None);
            if file == member.library_file() {
                tree.libraries.insert(identifier(&member.package), root);
            }
            let mut pending = vec![(root, folder.to_owned())];
            while let Some((module, folder)) = pending.pop() {
                let file = tree.modules[module].file.clone();
                let Some(text) = read(repository, &file, breaches) else {
                    continue;
                };
                match syn::parse_file(&text) {
                    Ok(code) => {
                        let tree = &mut tree;
                        let pending = &mut pending;
                        Collector {
                            tree,
                            repository,
                            module,
                            folder,
                            pending,
                            breaches,
                        }
                        .collect(&code);
                    }
                    Err(error) => {
                        let line = error.span().start().line;
                        breaches.add(&file, line, format!("can't be parsed: {error}"));
                    }
                }
            }
        }
    }
    tree
}

/// The files that `cargo` finds by itself: the library, the program, and those in `src/bin`.
fn roots(repository: &Path, member: &Member) -> Vec<String> {
    let bin = format!("{}/src/bin", member.folder);
    let entries = std::fs::read_dir(repository.join(&bin))
        .into_iter()
        .flatten()
        .flatten();
    let bins = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let bins = bins.flat_map(|name| [format!("{bin}/{name}"), format!("{bin}/{name}/main.rs")]);
    let roots = [
        member.library_file(),
        format!("{}/src/main.rs", member.folder),
    ]
    .into_iter()
    .chain(bins);
    roots
        .filter(|file| file.ends_with(".rs") && repository.join(file).is_file())
        .collect()
}
