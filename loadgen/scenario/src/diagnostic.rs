//! Errors in scenario files, for their authors: file, line, the place itself, and what is allowed.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};

/// A scenario could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ScenarioError {
    /// The file's contents are wrong at one place.
    #[error("{file}:{line}: {problem}")]
    Invalid {
        /// The file's path, or the name of a built-in scenario.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong, with line and column.
        problem: String,
        /// The whole file, for showing the place.
        #[source_code]
        source_code: NamedSource<String>,
        /// The wrong place in the file.
        #[label("here")]
        span: SourceSpan,
        /// What is allowed.
        #[help]
        help: Option<String>,
    },
    /// No known scenario has this name.
    #[error("there is no scenario `{name}`")]
    #[diagnostic(help("{here}known scenarios: {known}; or give a path to a .toml file"))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known scenarios' names.
        known: String,
        /// Asks whether the file of this name was meant; empty if there is none.
        here: String,
    },
    /// The file can't be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file's path.
        path: String,
        /// The cause.
        error: std::io::Error,
    },
}

impl ScenarioError {
    /// The files that the scenario may read: its own, and those that its texts in quotes would be beside it. What is wrong with it hides which
    /// of these texts name a file.
    pub fn may_read(&self) -> Vec<PathBuf> {
        match self {
            Self::Unknown { .. } => Vec::new(),
            Self::Unreadable { path, .. } => vec![path.into()],
            Self::Invalid {
                file, source_code, ..
            } => {
                let folder = Path::new(file).parent().unwrap_or(Path::new(""));
                let quoted = source_code.inner().split(['"', '\'']);
                let named = quoted.map(|text| folder.join(text));
                std::iter::once(file.into()).chain(named).collect()
            }
        }
    }
}

/// A scenario's text, for errors that show a place in it.
pub struct SourceText<'a> {
    /// The file's path or the built-in's name.
    pub file: &'a str,
    /// The contents.
    pub text: &'a str,
}

impl SourceText<'_> {
    /// `file:line` of a place.
    pub fn place(&self, span: &std::ops::Range<usize>) -> String {
        format!("{}:{}", self.file, self.line(span.start))
    }

    /// The line of a byte offset, from 1.
    fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    /// An error at a place.
    pub fn error(
        &self,
        span: std::ops::Range<usize>,
        problem: impl Into<String>,
        help: Option<String>,
    ) -> ScenarioError {
        let start = span.start.min(self.text.len());
        ScenarioError::Invalid {
            file: self.file.to_owned(),
            line: self.line(start),
            problem: problem.into(),
            source_code: NamedSource::new(self.file, self.text.to_owned()),
            span: SourceSpan::new(
                start.into(),
                span.end.saturating_sub(start).min(self.text.len() - start),
            ),
            help,
        }
    }

    /// Converts the TOML reader's error. Its message for an unknown key lists the expected keys: they become the help.
    pub fn toml_error(&self, error: &toml::de::Error) -> ScenarioError {
        let message = error.message();
        let (problem, help) = match message.split_once(", expected ") {
            Some((problem, expected)) => (problem, Some(suggestion(problem, expected))),
            None => (message, None),
        };
        self.error(error.span().unwrap_or(0..0), problem.trim(), help)
    }

    /// The place of the first `needle` at or after the start of `fallback`, else `fallback`.
    pub fn find(&self, needle: &str, fallback: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let from = fallback.start.min(self.text.len());
        match self.text[from..].find(needle) {
            Some(at) => from + at..from + at + needle.len(),
            None => fallback,
        }
    }
}

/// Options of the command line that are looked for in scenarios: how this machine reaches a target is no part of the load.
const OPTIONS: [&str; 6] = [
    "tls_ca",
    "insecure_tls",
    "client_cert",
    "client_key",
    "seed",
    "drivers",
];

fn suggestion(problem: &str, expected: &str) -> String {
    // The reader names Rust's types; people who write TOML need not know them.
    let allowed = match expected.trim_start_matches("one of ") {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "a whole number",
        "a string" => "a text in quotes",
        allowed => allowed,
    };
    let wrong = problem.split('`').nth(1).unwrap_or_default();
    let hint = match OPTIONS.contains(&wrong) {
        true => format!(
            "it is an option of the command line, --{}; ",
            wrong.replace('_', "-")
        ),
        false => did_you_mean(wrong, allowed.split('`').skip(1).step_by(2)),
    };
    format!("{hint}allowed: {allowed}")
}

/// Asks whether one of the names allowed was meant; nothing if none is similar enough.
pub fn did_you_mean<'a>(wrong: &str, allowed: impl Iterator<Item = &'a str>) -> String {
    nearest(wrong, allowed)
        .map(|name| format!("did you mean `{name}`? "))
        .unwrap_or_default()
}

/// The most similar of the names allowed, if one is similar enough to be a typo of it.
fn nearest<'a>(wrong: &str, allowed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = 1 + wrong.len() / 4;
    allowed
        .map(|name| (edit_distance(wrong, name), name))
        // No letter in common is no typo.
        .filter(|(d, name)| *d <= distance_max && *d < name.len())
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance, by the usual two-row recurrence.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
