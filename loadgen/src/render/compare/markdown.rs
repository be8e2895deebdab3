//! A comparison as Markdown for a pull request: the verdict and the deciding figures first, the rest folded.

use std::fmt::Write as _;

use super::{HEADER, cells, deciding, design, mark, notes, shown};
use crate::compare::{Comparison, FigureComparison, Verdict};

/// Escapes text for a table cell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '[' | ']' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A name as code in a table cell, where only pipes and backticks are special.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'").replace('|', "\\|"))
}

fn table<'a>(figures: impl Iterator<Item = &'a FigureComparison>, out: &mut String) {
    let mut line = |cells: &[String]| {
        writeln!(out, "| {} |", cells.join(" | ")).expect("writing to a String cannot fail");
    };
    line(&HEADER.map(str::to_owned));
    let rule = |i: usize| if i == 0 { "---" } else { "---:" };
    line(
        &(0..HEADER.len())
            .map(|i| rule(i).to_owned())
            .collect::<Vec<_>>(),
    );
    for figure in figures {
        let mut row: Vec<String> = cells(figure).iter().map(|cell| escaped(cell)).collect();
        if let Some(first) = row.first_mut() {
            *first = code(figure.rule.as_ref().unwrap_or(&figure.name));
        }
        if let Some(last) = row.last_mut() {
            *last = mark(figure.verdict).to_owned();
        }
        line(&row);
    }
}

/// The comparison as Markdown.
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let mut say = |line: &str| writeln!(out, "{line}").expect("writing to a String cannot fail");
    let (sign, answer) = match comparison.verdict {
        Verdict::NoRegression => ("✅", "No regression"),
        Verdict::Regression => ("❌", "Regression"),
        Verdict::CantTell => ("❔", "Can't tell"),
    };
    say(&format!(
        "### {sign} {answer}: {}\n",
        escaped(&comparison.scenario)
    ));
    for reason in &comparison.reasons {
        say(&format!("* {}", escaped(reason)));
    }
    say(&format!(
        "\n{} against {} (baseline); {}; {}.\n",
        escaped(&comparison.candidate.label),
        escaped(&comparison.baseline.label),
        escaped(&comparison.workload),
        design(comparison)
    ));
    for warning in &comparison.warnings {
        say(&format!("> ⚠️ {}\n", escaped(warning)));
    }
    table(deciding(comparison), &mut out);
    let others = shown(comparison).count();
    if others > 0 {
        write!(
            out,
            "\n<details><summary>{others} more figures, judged but not deciding</summary>\n\n"
        )
        .expect("writing to a String cannot fail");
        table(shown(comparison), &mut out);
        out.push_str("\n</details>\n");
    }
    out.push_str("\n<details><summary>How to read this</summary>\n\n");
    for note in notes(comparison) {
        writeln!(out, "* {}", escaped(&note)).expect("writing to a String cannot fail");
    }
    out.push_str("\n</details>\n");
    out
}
