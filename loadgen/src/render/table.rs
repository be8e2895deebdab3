//! Markdown tables that are also readable as plain text. Knows cells, not their meaning.

use std::fmt::Write as _;

/// A table whose rows have as many cells as its header.
pub struct Table {
    header: Vec<String>,
    /// The cells of each row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with fixed column names.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.iter().map(|&head| head.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// An empty table with computed column names.
    pub fn named(header: Vec<String>) -> Self {
        Self {
            header,
            rows: Vec::new(),
        }
    }

    /// Writes the table with aligned columns and pipes.
    pub fn write(&self, out: &mut String) {
        let width = |i: usize| {
            self.rows
                .iter()
                .map(|r| r[i].chars().count())
                .chain([self.header[i].chars().count(), 3])
                .max()
                .unwrap_or(3)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for (i, cell) in cells.enumerate() {
                let pad = " ".repeat(widths[i] - cell.chars().count());
                match i {
                    0 => write!(out, "| {cell}{pad} |"),
                    _ => write!(out, " {pad}{cell} |"),
                }
                .expect("writing to a String cannot fail");
            }
            out.push('\n');
        };
        line(&mut self.header.iter().map(String::as_str));
        let rules: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(i, w)| {
                if i == 0 {
                    "-".repeat(*w)
                } else {
                    format!("{}:", "-".repeat(w - 1))
                }
            })
            .collect();
        line(&mut rules.iter().map(String::as_str));
        self.rows
            .iter()
            .for_each(|row| line(&mut row.iter().map(String::as_str)));
    }
}
