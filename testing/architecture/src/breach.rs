//! What the checks find.

use std::collections::BTreeSet;
use std::fmt;

/// All breaches, sorted by file and line, each once. They print as a message that ends with what to do.
#[derive(Default)]
pub struct Breaches(BTreeSet<(String, usize, String)>);

impl Breaches {
    /// `file` is a path from the repository's root, `line` is counted from 1.
    pub(crate) fn add(&mut self, file: &str, line: usize, what: String) {
        self.0.insert((file.to_owned(), line, what));
    }

    /// Each breach as `file:line: what`, on a line of its own. Those of circles have more lines.
    #[must_use]
    pub fn list(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(file, line, what)| format!("{file}:{line}: {what}\n"));
        lines.collect()
    }
}

impl fmt::Display for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n{} breaches of the rules in ARCHITECTURE.md. Move the code to a module that may \
             import what it needs, or reverse the import: let the imported module define a \
             trait or a type, and the other one provide it. A circle ends when what both sides \
             need has a file of its own. Change the table only if the rule itself is wrong.",
            self.list(),
            self.0.len()
        )
    }
}
