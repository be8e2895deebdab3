//! A body in chunks (RFC 9112, 7.1): takes the chunks' sizes, extensions and trailers out of it. Takes lines that end without CR, too.

use super::error::HttpError;

/// A longer line of a size and its extensions, or longer trailers, are refused.
const LINE_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Next {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// A body while it is being read.
#[derive(Debug)]
pub(super) struct Chunks {
    next: Next,
    /// The body so far.
    pub body: Vec<u8>,
}

fn malformed(problem: &str) -> HttpError {
    HttpError::Malformed(problem.to_owned())
}

/// The first line without its end, and its length with it; `None` while its end is missing.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, HttpError> {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let line = &bytes[..end];
            Ok(Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1)))
        }
        None if bytes.len() > LINE_BYTES_MAX => Err(malformed("a line without end in chunks")),
        None => Ok(None),
    }
}

fn size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hex);
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| malformed("a chunk without a size"))
}

impl Chunks {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self {
            next: Next::Size,
            body: Vec::new(),
        }
    }

    /// Moves complete parts from `read` into the body; returns whether the last one was there.
    pub fn advance(&mut self, read: &mut Vec<u8>, bytes_max: usize) -> Result<bool, HttpError> {
        let mut at = 0;
        let mut done = false;
        while !done {
            let rest = &read[at..];
            match self.next {
                Next::Size => {
                    let Some((text, length)) = line(rest)? else {
                        break;
                    };
                    let size = size(text)?;
                    if size > bytes_max.saturating_sub(self.body.len()) as u64 {
                        return Err(HttpError::TooLong);
                    }
                    at += length;
                    self.next = match size {
                        0 => Next::Trailers,
                        size => Next::Data(size),
                    };
                }
                Next::Data(left) => {
                    let length = rest.len().min(left as usize);
                    if length == 0 {
                        break;
                    }
                    self.body.extend_from_slice(&rest[..length]);
                    at += length;
                    self.next = match left - length as u64 {
                        0 => Next::DataEnd,
                        left => Next::Data(left),
                    };
                }
                Next::DataEnd => match rest {
                    [b'\n', ..] => (at, self.next) = (at + 1, Next::Size),
                    [b'\r', b'\n', ..] => (at, self.next) = (at + 2, Next::Size),
                    [] | [b'\r'] => break,
                    _ => return Err(malformed("a chunk is longer than its size")),
                },
                Next::Trailers => {
                    let Some((text, length)) = line(rest)? else {
                        break;
                    };
                    at += length;
                    done = text.is_empty();
                }
            }
        }
        read.drain(..at);
        Ok(done)
    }
}
