//! Text files as other programs write them: UTF-8, UTF-16 and windows-1252, told apart by what is in them. Knows nothing of what the text
//! means.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::sources::Opened;

/// Bytes in which a UTF-16 text without a byte order mark shows by its zeros.
const LOOKED_AT: usize = 4_096;

/// A text file's content as UTF-8, and what it was guessed to be.
pub struct TextFile {
    /// The text in UTF-8. A UTF-8 file's own invalid bytes are still in it.
    pub text: Box<dyn Read>,
    /// What to tell the reader of the figures, if the encoding had to be guessed.
    pub guess: Option<String>,
}

impl TextFile {
    /// Opens a file; reads it once to tell its encoding, to its end or to the first character beyond ASCII that is UTF-8.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(Box::new(File::open(path)?), path)
    }

    /// The same of a file that was opened.
    pub(crate) fn new(mut file: Box<dyn Opened>, path: &Path) -> io::Result<Self> {
        let encoding = encoding(BufReader::new(&mut file))?;
        file.seek(SeekFrom::Start(0))?;
        if encoding == UTF_8 {
            return Ok(Self {
                text: Box::new(file),
                guess: None,
            });
        }
        let mut builder = DecodeReaderBytesBuilder::new();
        let decoded = builder.encoding(Some(encoding)).bom_override(true);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            text: Box::new(decoded.build(file)),
            guess: (encoding == WINDOWS_1252).then(|| {
                format!("{name} is not UTF-8: it was read as windows-1252 (Latin-1 as Windows writes it)")
            }),
        })
    }
}

/// By the byte order mark; without one by the zeros of UTF-16; else UTF-8, unless nothing but ASCII in the file is UTF-8.
fn encoding(mut source: impl BufRead) -> io::Result<&'static Encoding> {
    let start = source.fill_buf()?;
    let start = &start[..start.len().min(LOOKED_AT)];
    if let Some((encoding, _)) = Encoding::for_bom(start) {
        return Ok(encoding);
    }
    if let Some(encoding) = utf_16_without_mark(start) {
        return Ok(encoding);
    }
    let mut invalid = false;
    // The bytes at the end of a piece that may begin a character.
    let mut carried: Vec<u8> = Vec::new();
    loop {
        let piece = source.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        let length = piece.len();
        carried.extend_from_slice(piece);
        source.consume(length);
        let mut rest = carried.as_slice();
        carried = loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) if text.is_ascii() => break Vec::new(),
                Ok(_) => return Ok(UTF_8),
                Err(error) => error,
            };
            let (before, after) = rest.split_at(error.valid_up_to());
            if !before.is_ascii() {
                return Ok(UTF_8);
            }
            match error.error_len() {
                None => break after.to_vec(),
                Some(bad) => rest = &after[bad..],
            }
            invalid = true;
        };
    }
    Ok(match invalid || !carried.is_empty() {
        true => WINDOWS_1252,
        false => UTF_8,
    })
}

/// A text of mostly Western letters has a zero in every second byte.
fn utf_16_without_mark(start: &[u8]) -> Option<&'static Encoding> {
    let zeros = |odd: usize| {
        start
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let half = start.len() / 2;
    match (zeros(0), zeros(1)) {
        (first, 0) if half > 0 && first * 2 > half => Some(UTF_16BE),
        (0, second) if half > 0 && second * 2 > half => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_told_by_what_is_in_the_file() {
        let utf_16 = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let marked = |mark: &[u8], text: Vec<u8>| [mark.to_vec(), text].concat();
        let cases: [(Vec<u8>, &Encoding); 9] = [
            (b"a,b\n1,2\n".to_vec(), UTF_8),
            ("a,b\nM\u{fc}ller,2\n".as_bytes().to_vec(), UTF_8),
            (b"a,b\nM\xfcller,2\n".to_vec(), WINDOWS_1252),
            // One odd byte among proper UTF-8 is a broken byte, not another encoding.
            ([&b"M\xc3\xbcller \xff"[..], b"x"].concat(), UTF_8),
            (marked(&[0xff, 0xfe], utf_16("a,b", false)), UTF_16LE),
            (marked(&[0xfe, 0xff], utf_16("a,b", true)), UTF_16BE),
            (utf_16("a,b\nM\u{fc}ller", false), UTF_16LE),
            (utf_16("a,b\nM\u{fc}ller", true), UTF_16BE),
            (Vec::new(), UTF_8),
        ];
        for (bytes, expected) in cases {
            // Small pieces, so that characters are cut.
            let source = BufReader::with_capacity(64, bytes.as_slice());
            assert_eq!(encoding(source).unwrap(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn characters_cut_by_the_end_of_a_piece_are_whole_again() {
        let text = "\u{20ac}".repeat(1_000);
        for capacity in [1, 2, 4, 7] {
            let source = BufReader::with_capacity(capacity, text.as_bytes());
            assert_eq!(encoding(source).unwrap(), UTF_8, "{capacity}");
        }
    }
}
