//! A run, a comparison or a search as a document of plain data: the answer, warnings, tables. Text, Markdown and pages are written from it.

use crate::table::{Table, Tone};

/// A document about one subject.
#[derive(Debug, Clone)]
pub struct Document {
    /// The name of the subject.
    pub title: String,
    /// The description; may be empty.
    pub description: String,
    /// When, where and how it was measured, line by line.
    pub facts: Vec<String>,
    /// The answer.
    pub answer: Answer,
    /// What failed, the most frequent first; for whoever reads only the end of a text.
    pub errors: Vec<String>,
    /// Warnings about the figures.
    pub warnings: Vec<String>,
    /// The tables that the answer rests on: a page shows them above its plots.
    pub deciding: Vec<Table>,
    /// The tables of everything else that was measured.
    pub tables: Vec<Table>,
    /// The tables of how it was measured; text leaves them out.
    pub settings: Vec<Table>,
    /// How to read the document.
    pub notes: Vec<String>,
}

/// The answer to what was asked.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer in one word or phrase.
    pub word: String,
    /// Whether it is good or bad news.
    pub tone: Tone,
    /// What the word means; may be empty.
    pub meaning: &'static str,
    /// The reasons.
    pub reasons: Vec<String>,
}
