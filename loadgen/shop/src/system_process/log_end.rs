//! The last lines of a system's log, for the error that its end causes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How many lines are shown.
const LINES_MAX: usize = 8;
/// How much of the log is read, from its end.
const BYTES_MAX: u64 = 16 * 1024;

/// Where the log is, and its last lines, without control characters.
pub fn said(log: &Path) -> String {
    let text = end(log).unwrap_or_default();
    let lines: Vec<String> = text
        .lines()
        .map(printable)
        .filter(|line| !line.trim().is_empty())
        .collect();
    let shown = &lines[lines.len().saturating_sub(LINES_MAX)..];
    let place = log.display();
    match shown.is_empty() {
        true => format!("its log is {place}, which is empty"),
        false => format!(
            "its log is {place}, which ends with:\n  {}",
            shown.join("\n  ")
        ),
    }
}

fn end(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The line without colours and other sequences for a terminal.
fn printable(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => {
                // A sequence ends with a letter.
                rest.by_ref().find(char::is_ascii_alphabetic);
            }
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown_without_colours() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: String = (0..100).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&log, lines + "\x1b[31merror:\x1b[0m no\r\n\n").unwrap();

        let shown = said(&log);

        assert!(shown.ends_with("\n  line 99\n  error: no"), "{shown:?}");
        assert!(!shown.contains("line 92"), "{shown}");
        assert!(said(&folder.path().join("none")).ends_with("is empty"));
    }
}
