//! Writes a document as text for a terminal: aligned columns, the answer at the end. Knows documents and tables, not their subjects.

use crate::document::{Answer, Document};
use crate::table::{Content, Table, Tone};
use crate::visible::{one_line, visible};

/// The document without its settings.
pub fn text(document: &Document, colour: bool) -> String {
    let mut out = format!("{}\n", one_line(&document.title));
    out += &prefixed("", &document.facts);
    out += &tables(document.deciding.iter().chain(&document.tables));
    for lines in [
        prefixed("error: ", &document.errors),
        prefixed("warning: ", &document.warnings),
        prefixed("", &document.notes),
    ] {
        if !lines.is_empty() {
            out += &format!("\n{lines}");
        }
    }
    format!("{out}\n{}", answer(&document.answer, colour))
}

fn prefixed(prefix: &str, lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("{prefix}{}\n", visible(line)))
        .collect()
}

/// The answer in one line, and one line for each reason.
pub fn answer(answer: &Answer, colour: bool) -> String {
    let code = match answer.tone {
        Tone::Good => "1;32",
        Tone::Bad => "1;31",
        Tone::Plain | Tone::Unsure => "1;33",
    };
    let mut word = one_line(&answer.word);
    if colour {
        word = format!("\x1b[{code}m{word}\x1b[0m");
    }
    format!("verdict: {word}\n{}", prefixed("  ", &answer.reasons))
}

/// Tables, each below its title.
pub fn tables<'a>(tables: impl IntoIterator<Item = &'a Table>) -> String {
    let tables = tables.into_iter();
    tables
        .map(|table| {
            format!(
                "\n{}\n\n{}",
                one_line(&table.title),
                grid(table, |_, cell| one_line(&cell.text))
            )
        })
        .collect()
}

/// Aligned columns between pipes, as in Markdown. A last column of words is not padded, because words may be long.
pub(crate) fn grid(
    table: &Table,
    written: impl Fn(Content, &crate::table::Cell) -> String,
) -> String {
    let columns = &table.columns;
    let headings = columns
        .iter()
        .map(|c| written(Content::Words, &c.heading.as_str().into()));
    let mut lines: Vec<Vec<String>> = vec![headings.collect(), Vec::new()];
    lines.extend(table.rows.iter().map(|row| {
        let cells = row.iter().zip(columns);
        cells
            .map(|(cell, column)| written(column.content, cell))
            .collect()
    }));
    let is_number = |column: usize| columns[column].content == Content::Numbers;
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            let is_last = column + 1 == columns.len();
            let cells = lines.iter().filter_map(|line| line.get(column));
            match is_last && !is_number(column) {
                true => 3,
                false => cells.map(|cell| width(cell)).fold(3, usize::max),
            }
        })
        .collect();
    lines[1] = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match is_number(column) {
            true => format!("{}:", "-".repeat(width - 1)),
            false => "-".repeat(*width),
        })
        .collect();
    let mut out = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(width(cell)));
            out += &match is_number(column) {
                true => format!("| {pad}{cell} "),
                false => format!("| {cell}{pad} "),
            };
        }
        out += "|\n";
    }
    out
}
