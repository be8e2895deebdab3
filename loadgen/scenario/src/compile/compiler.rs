//! What a scenario's parts share while they are checked.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::diagnostic::{ScenarioError, SourceText};
use crate::file::Protocol;
use crate::scenario::NamedTarget;
use crate::secrets::Secrets;
use crate::sources::Files;

/// What is known of the file while it is read.
pub(super) struct Compiler<'a> {
    pub(super) source: SourceText<'a>,
    /// Where the files are that it names.
    pub(super) files: Files<'a>,
    /// Variables that the current templates may read.
    pub(super) known: HashSet<String>,
    /// Lists that set-up makes.
    pub(super) lists: HashSet<String>,
    /// Variables of steps that may be skipped: templates must read them with a default.
    pub(super) maybe_unset: HashSet<String>,
    /// Variables that the current journey reads.
    pub(super) used: HashSet<String>,
    /// Variables that anything reads.
    pub(super) ever_used: HashSet<String>,
    /// By feeder: the fields that all of its values have, if all of them are objects.
    pub(super) columns: HashMap<String, BTreeSet<String>>,
    /// The version of HTTP that requests are sent in.
    pub(super) protocol: Protocol,
    /// The targets that steps may name.
    pub(super) targets: Vec<NamedTarget>,
    /// The environment variables read so far.
    pub(super) secrets: Secrets,
    pub(super) steps: Vec<TaggedName>,
    pub(super) awaits: Vec<TaggedName>,
    /// What the reader of the scenario should know of its files.
    pub(super) notes: Vec<String>,
}

/// A row of the report: a name and its tags.
pub(super) type TaggedName = (String, BTreeSet<String>);

pub(super) type Compiled<T> = Result<T, ScenarioError>;

/// The index of the row of this name; adds the row if it is new, and the tags to it.
pub(super) fn tagged(rows: &mut Vec<TaggedName>, name: &str, tags: &[String]) -> usize {
    let at = rows.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
        rows.push((name.to_owned(), BTreeSet::new()));
        rows.len() - 1
    });
    rows[at].1.extend(tags.iter().cloned());
    at
}

pub(super) fn split_tags(rows: Vec<TaggedName>) -> (Vec<String>, Vec<Vec<String>>) {
    let rows = rows.into_iter();
    rows.map(|(name, tags)| (name, tags.into_iter().collect()))
        .unzip()
}
