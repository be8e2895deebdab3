//! Writes a document as Markdown for a file or a pull request: the answer first, long tables folded. Knows documents and tables, not their
//! subjects.

use crate::document::Document;
use crate::table::{Cell, Content, Table, Tone};
use crate::text::grid;
use crate::visible::one_line;

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
        true => folded(&html(&table.title), &format!("{note}{grid}\n")),
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
    let line = one_line(text);
    let mut chars = line.trim().chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let begins = out.is_empty();
        // Within a word it is a plain character, and names are full of it.
        let in_word = before.is_alphanumeric() && chars.peek().is_some_and(|c| c.is_alphanumeric());
        match c {
            '|' | '\\' | '`' | '*' | '[' | ']' | '~' | '#' | '$' => out.extend(['\\', c]),
            '_' if !in_word => out.extend(['\\', c]),
            // At the beginning it would make a list or a heading of the line.
            '-' | '+' | '='
                if begins && chars.peek().is_none_or(|next| *next == ' ' || *next == c) =>
            {
                out.extend(['\\', c]);
            }
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            // Nobody is to be told of a report because its target writes a name.
            '@' => out += "&#64;",
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Escapes text inside an element.
fn html(text: &str) -> String {
    let text = one_line(text).replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// A name as code in a table cell, where only pipes and backticks are special.
fn code(name: &str) -> String {
    let name = one_line(name).replace('|', "\\|");
    match (name.is_empty(), name.contains('`')) {
        (true, _) => String::new(),
        (_, false) => format!("`{name}`"),
        (_, true) => {
            // The fence is longer than any row of backticks in the name.
            let rows = name.split(|c| c != '`').map(str::len);
            let fence = "`".repeat(rows.max().unwrap_or(0) + 1);
            format!("{fence} {name} {fence}")
        }
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
        evil.row(["z\r\x1b[1m", "__x__ my_name @you"]);
        assert_eq!(
            table(&evil),
            "## &lt;b&gt;\n\n\
             | a\\|b               | c   |\n\
             | ------------------ | --- |\n\
             | `` x\\|`y` ``       | 1 \\| &lt;b&gt;2&lt;/b&gt; \\[3\\] |\n\
             | `z\\u000d\\u001b[1m` | \\_\\_x\\_\\_ my_name &#64;you |\n\n"
        );
        assert_eq!(escaped("--- a_b -"), "\\--- a_b -");
        assert_eq!(escaped("-3 % and #1"), "-3 % and \\#1");
    }
}
