//! Writes a document as Markdown for a file or a pull request: the answer first, long tables folded. Knows documents and tables, not their
//! subjects.

use crate::document::Document;
use crate::table::{Cell, Content, Table, Tone};
use crate::text::{grid, one_line};

/// The whole document.
pub fn markdown(document: &Document) -> String {
    let answer = &document.answer;
    let mut out = format!(
        "# {}{}: {}\n\n",
        mark(answer.tone),
        escaped(&document.title),
        escaped(&answer.word)
    );
    out += &list(&answer.reasons);
    for paragraph in std::iter::once(&document.description).chain(&document.facts) {
        if !paragraph.is_empty() {
            out += &format!("{}\n\n", escaped(paragraph));
        }
    }
    for warning in &document.warnings {
        out += &format!("> ⚠️ {}\n\n", escaped(warning));
    }
    for group in [&document.deciding, &document.tables, &document.settings] {
        out.extend(group.iter().map(table));
    }
    if !document.notes.is_empty() {
        out += &folded("How to read this", &list(&document.notes));
    }
    format!("{}\n", out.trim_end())
}

fn list(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("* {}\n", escaped(line)));
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        lines + "\n"
    }
}

fn table(table: &Table) -> String {
    let note = match table.note.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", escaped(&table.note)),
    };
    let grid = grid(table, |content, cell| match content {
        Content::Code => code(&cell.text),
        _ => written(cell),
    });
    match table.folded {
        true => folded(&escaped(&table.title), &format!("{note}{grid}\n")),
        false => format!("## {}\n\n{note}{grid}\n", escaped(&table.title)),
    }
}

fn folded(summary: &str, text: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{text}</details>\n\n")
}

fn written(cell: &Cell) -> String {
    // A lane's words are there for their number; its row says elsewhere whether it is good.
    let mark = match cell.lane {
        Some(_) => "",
        None => mark(cell.tone),
    };
    format!("{mark}{}", escaped(&cell.text))
}

/// A symbol for text without colours.
fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Good => "✅ ",
        Tone::Bad => "❌ ",
        Tone::Unsure => "❔ ",
    }
}

/// Escapes text, also for a table cell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '|' | '\\' | '`' | '*' | '[' | ']' | '~' | '#' => out.extend(['\\', c]),
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            c => out.push(c),
        }
    }
    out
}

/// A name as code in a table cell, where only pipes and backticks are special.
fn code(name: &str) -> String {
    match name.is_empty() {
        true => String::new(),
        false => format!("`{}`", one_line(name).replace('`', "'").replace('|', "\\|")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_said_stays_text_in_its_own_cell() {
        let mut evil = Table::new("evil", "<b>")
            .columns(Content::Code, ["a|b"])
            .words(["c"]);
        evil.row(["x|`y`", "1 | <b>2</b>\n[3]"]);
        assert_eq!(
            table(&evil),
            "## &lt;b&gt;\n\n| a\\|b     | c   |\n| -------- | --- |\n| `x\\|'y'` | 1 \\| &lt;b&gt;2&lt;/b&gt; \\[3\\] |\n\n"
        );
    }
}
