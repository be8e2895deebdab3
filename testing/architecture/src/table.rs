//! The tables of rules in ARCHITECTURE.md.

use crate::Breaches;
use crate::member::{Member, identifier};

/// The file that holds the tables.
pub const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// A table with this header is one of rules.
const COLUMNS: [&str; 4] = ["module", "what it is", "may import", "must not know"];

/// What one module may do.
pub struct Row {
    /// A folder from the repository's root. A file `x.rs` belongs to the module `x`.
    pub module: String,
    line: usize,
    may_import: Vec<String>,
    /// External crates, or paths in them.
    must_not_know: Vec<String>,
}

/// All rows of all tables.
pub struct Table {
    pub rows: Vec<Row>,
}

impl Table {
    pub fn read(text: &str, breaches: &mut Breaches) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let mut inside = false;
        for (line, text) in (1..).zip(text.lines()) {
            let cells: Vec<&str> = text.trim().split('|').map(str::trim).collect();
            let ["", cells @ .., ""] = cells.as_slice() else {
                inside = false;
                continue;
            };
            if !inside || cells[0].starts_with("--") {
                inside |= cells == COLUMNS;
                continue;
            }
            let mut names = |column: usize| {
                let cell = cells.get(column).copied().unwrap_or_default();
                names(cell).unwrap_or_else(|| {
                    let rule = "must be `–` or names in backticks, separated by commas";
                    breaches.add(ARCHITECTURE, line, format!("`{cell}` {rule}"));
                    Vec::new()
                })
            };
            let (module, may_import, must_not_know) = (names(0).join(", "), names(2), names(3));
            if rows.iter().any(|row| row.module == module) {
                breaches.add(ARCHITECTURE, line, format!("{module} has two rows"));
            }
            rows.push(Row {
                module,
                line,
                may_import,
                must_not_know,
            });
        }
        Self { rows }
    }

    /// The row of the module that a file belongs to: the longest that fits.
    pub fn row_of(&self, file: &str) -> Option<&Row> {
        let fits = |row: &&Row| {
            let rest = file.strip_prefix(&row.module);
            rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        };
        self.rows
            .iter()
            .filter(fits)
            .max_by_key(|row| row.module.len())
    }

    /// The name of the module that a file belongs to: the crate's folder, if it has no row.
    pub fn module_of<'a>(&'a self, file: &str, members: &'a [Member]) -> &'a str {
        let is_in = |member: &&Member| file.starts_with(&format!("{}/src/", member.folder));
        let row = self.row_of(file).map(|row| row.module.as_str());
        row.or_else(|| Some(members.iter().find(is_in)?.folder.as_str()))
            .unwrap_or_default()
    }

    /// Finds rows without code, members without a row, and unknown names in cells.
    pub fn check(
        &self,
        files: &[&str],
        members: &[Member],
        external: &[String],
        breaches: &mut Breaches,
    ) {
        for row in &self.rows {
            let mut wrong = |what| breaches.add(ARCHITECTURE, row.line, what);
            let is_this = |found: &Row| found.line == row.line;
            if !files
                .iter()
                .any(|file| self.row_of(file).is_some_and(is_this))
            {
                wrong(format!("{} has a row but no source file", row.module));
            }
            for name in &row.may_import {
                if !self.rows.iter().any(|row| row.module == *name) {
                    wrong(format!(
                        "{name} has no row, so {} can't import it",
                        row.module
                    ));
                }
            }
            for name in &row.must_not_know {
                let first = &segments(name)[0];
                if first != "std" && !external.contains(first) {
                    wrong(format!(
                        "{name} is neither a dependency of the workspace nor in std"
                    ));
                }
            }
        }
        for member in members.iter().filter(|member| !member.only_tests()) {
            let names = [&member.folder, &format!("{}/src", member.folder)];
            if !self.rows.iter().any(|row| names.contains(&&row.module)) {
                let what = format!("{} has no row in {ARCHITECTURE}", member.folder);
                breaches.add(&member.manifest(), 1, what);
            }
        }
    }
}

impl Row {
    /// Why an import of a module of the workspace is wrong; nothing if it is allowed.
    pub fn forbids_module(&self, module: &str) -> Option<String> {
        if self.module == module || self.may_import.iter().any(|name| name == module) {
            return None;
        }
        let list = self.may_import.join(", ");
        let allowed = if list.is_empty() { "nothing" } else { &list };
        Some(self.forbids(module, &format!("it may import {allowed}")))
    }

    /// Why a path in an external crate is wrong; nothing if it is allowed, or if its first `known` segments are all that is forbidden.
    /// The last segment may be `*`.
    pub fn forbids_external(&self, path: &[String], known: usize) -> Option<String> {
        let forbidden = self.must_not_know.iter().find(|name| {
            let name = segments(name);
            let inside = path.starts_with(&name) && name.len() > known;
            inside
                || path
                    .strip_suffix(&["*".to_owned()])
                    .is_some_and(|outer| name.starts_with(outer))
        })?;
        Some(self.forbids(forbidden, "it must not know it"))
    }

    fn forbids(&self, name: &str, rule: &str) -> String {
        let Self { module, line, .. } = self;
        format!("{module} must not import {name} ({ARCHITECTURE}:{line} says {rule})")
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(identifier).collect()
}

fn names(cell: &str) -> Option<Vec<String>> {
    let name = |name: &str| Some(name.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned());
    if cell == "–" {
        Some(Vec::new())
    } else {
        cell.split(',').map(name).collect()
    }
}
