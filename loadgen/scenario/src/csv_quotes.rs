//! Finds quotes in CSV files that take in lines they weren't meant for. The reader of CSV accepts every text: a quote that is never closed
//! makes the rest of the file one field, without a word. Knows quotes; must not know what the fields mean.

use std::io::{self, Read};

/// What programs for spreadsheets write before UTF-8. The reader of CSV skips it too.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The same bytes, with an error where a quote takes in more than its field.
pub struct WatchedQuotes<R> {
    source: R,
    delimiter: u8,
    /// The bytes read, up to the mark's length.
    before: usize,
    line: u64,
    place: Place,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    FieldStart,
    Field,
    /// Behind a quote that was opened on this line.
    Quoted(u64),
    /// Behind a second quote: it closes the field, unless a third one follows.
    Closed(u64),
    /// In a file whose quotes mean nothing.
    Unquoted,
}

impl<R: Read> WatchedQuotes<R> {
    /// `quoting`: whether quotes mean anything in this file.
    pub fn new(source: R, delimiter: u8, quoting: bool) -> Self {
        Self {
            source,
            delimiter,
            before: 0,
            line: 1,
            place: if quoting {
                Place::FieldStart
            } else {
                Place::Unquoted
            },
        }
    }

    fn pass(&mut self, byte: u8) -> io::Result<()> {
        if MARK.get(self.before) == Some(&byte) {
            self.before += 1;
            return Ok(());
        }
        self.before = MARK.len();
        let ends = byte == self.delimiter || byte == b'\n' || byte == b'\r';
        self.place = match (self.place, byte) {
            (Place::FieldStart, b'"') => Place::Quoted(self.line),
            (Place::Quoted(opened), b'"') => Place::Closed(opened),
            (Place::Closed(opened), b'"') | (Place::Quoted(opened), _) => Place::Quoted(opened),
            (Place::FieldStart | Place::Field | Place::Closed(_), _) if ends => Place::FieldStart,
            // `"19" inch` is one field of one line, which the reader reads as `19 inch`.
            (Place::Closed(opened), _) if opened < self.line => {
                return Err(not_closed(
                    opened,
                    &format!("the next quote, in line {}, is not its end", self.line),
                ));
            }
            (Place::FieldStart | Place::Field | Place::Closed(_), _) => Place::Field,
            (Place::Unquoted, _) => Place::Unquoted,
        };
        if byte == b'\n' {
            self.line += 1;
        }
        Ok(())
    }
}

impl<R: Read> Read for WatchedQuotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if self.place == Place::Unquoted {
            return Ok(count);
        }
        for &byte in &buffer[..count] {
            self.pass(byte)?;
        }
        match self.place {
            Place::Quoted(opened) if count == 0 && !buffer.is_empty() => {
                Err(not_closed(opened, "the file ends inside it"))
            }
            _ => Ok(count),
        }
    }
}

fn not_closed(opened: u64, found: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "line {opened} opens a quote that is not closed: {found}; close it, or double a quote that is text (for a trace, `quoting = false` in [trace] takes every quote as text)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, quoting: bool) -> Option<String> {
        let mut watched = WatchedQuotes::new(text.as_bytes(), b',', quoting);
        let read = io::read_to_string(&mut watched);
        read.err().map(|e| e.to_string())
    }

    #[test]
    fn a_quote_that_takes_in_other_lines_is_named_by_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"19 inch\n2,n\n", "line 2 opens a quote"),
            ("\u{feff}\"a,b\n1,n\n", "line 1 opens a quote"),
            ("a,b\n1,n\n2,\"", "line 3 opens a quote"),
            (
                "a,b\n1,\"19 inch\n2,n\n3,\"20 inch\n",
                "the next quote, in line 4",
            ),
            // The quote in the field's middle is doubled, so it closes nothing.
            ("a,b\n1,\"19\"\" inch\n2,n\n", "line 2 opens a quote"),
        ] {
            let found = problem(text, true).unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(problem(text, false), None, "{text}");
        }
    }

    #[test]
    fn quotes_that_stay_in_their_field_are_left_alone() {
        for text in [
            "",
            "a,b\n1,19\" rack\n2,n\n",
            "a,b\n1,\"19\"\" rack\"\n2,\"\"\n",
            "a,b\r\n1,\"two\r\nlines\"\r\n2,n\r\n",
            "a,b\n1,\"19\" inch\n2,n\n",
            "\u{feff}\"a\",\"b\"\n1,\"n\"",
        ] {
            assert_eq!(problem(text, true), None, "{text}");
        }
    }
}
