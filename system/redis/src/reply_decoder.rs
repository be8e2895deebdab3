//! Decodes replies in RESP2 as their bytes arrive. Whatever is decoded stays decoded: bytes that are missing cost no second look at those
//! that were there. redis-rs has a parser, too; why it is not used: docs/decisions/0124. Must not know what was asked.

use bytes::{Buf as _, BytesMut};
use redis::{ErrorKind, RedisResult, Value};

/// Most values that room is made for when an array begins, whatever length it claims.
const ROOM_MAX: usize = 1_024;
/// Longest first line of a reply, bytes. Redis's own limit for a line is 64 KiB.
const LINE_BYTES_MAX: usize = 1 << 16;

/// The decoder of one connection.
#[derive(Debug, Default)]
pub(crate) struct ReplyDecoder {
    /// The arrays that are not complete, the innermost last.
    open: Vec<OpenArray>,
}

#[derive(Debug)]
struct OpenArray {
    values: Vec<Value>,
    missing: usize,
}

/// What stands at the beginning of the bytes.
enum Item {
    Whole(Value),
    /// An array of so many values, more than none.
    Array(usize),
}

impl ReplyDecoder {
    /// Takes the next reply out of the bytes, `None` if it is not complete.
    ///
    /// # Errors
    /// The bytes are not RESP2; nothing more can be read.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> RedisResult<Option<Value>> {
        let mut read = 0;
        let mut reply = None;
        while reply.is_none() {
            match item(&bytes[read..])? {
                None => break,
                Some((Item::Array(length), used)) => {
                    read += used;
                    self.open.push(OpenArray {
                        values: Vec::with_capacity(length.min(ROOM_MAX)),
                        missing: length,
                    });
                }
                Some((Item::Whole(value), used)) => {
                    read += used;
                    reply = self.close(value);
                }
            }
        }
        bytes.advance(read);
        Ok(reply)
    }

    /// Puts a value where it belongs. Returns the reply if that was the last of it.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(array) = self.open.last_mut() else {
                return Some(value);
            };
            array.values.push(value);
            array.missing -= 1;
            if array.missing > 0 {
                return None;
            }
            value = Value::Array(std::mem::take(&mut array.values));
            self.open.pop();
        }
    }
}

/// Reads a value that is none, or an array's beginning, and how many bytes it takes.
fn item(bytes: &[u8]) -> RedisResult<Option<(Item, usize)>> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(malformed());
        }
        return Ok(None);
    };
    let used = end + 1;
    let Some((&kind, line)) = bytes[..end]
        .strip_suffix(b"\r")
        .and_then(<[u8]>::split_first)
    else {
        return Err(malformed());
    };
    let whole = |value| Ok(Some((Item::Whole(value), used)));
    match kind {
        b'+' if line == b"OK" => whole(Value::Okay),
        b'+' => whole(Value::SimpleString(text(line)?)),
        // The library reads an error's code.
        b'-' => whole(redis::parse_redis_value(&bytes[..used])?),
        b':' => whole(Value::Int(number(line)?)),
        b'$' => match length(line)? {
            None => whole(Value::Nil),
            Some(length) => {
                let last = used.checked_add(length).ok_or_else(malformed)?;
                match bytes.get(last..last.saturating_add(2)) {
                    None => Ok(None),
                    Some(b"\r\n") => {
                        let value = Value::BulkString(bytes[used..last].to_vec());
                        Ok(Some((Item::Whole(value), last + 2)))
                    }
                    Some(_) => Err(malformed()),
                }
            }
        },
        b'*' => match length(line)? {
            None => whole(Value::Nil),
            Some(0) => whole(Value::Array(Vec::new())),
            Some(length) => Ok(Some((Item::Array(length), used))),
        },
        _ => Err(malformed()),
    }
}

/// A length; `None` if it is -1.
fn length(line: &[u8]) -> RedisResult<Option<usize>> {
    match number(line)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| malformed()),
    }
}

fn number(line: &[u8]) -> RedisResult<i64> {
    // Most numbers are lengths of one to three digits.
    if let 1..=3 = line.len()
        && line.iter().all(u8::is_ascii_digit)
    {
        let digits = line.iter().map(|digit| i64::from(digit - b'0'));
        return Ok(digits.fold(0, |number, digit| number * 10 + digit));
    }
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    text.parse().map_err(|_| malformed())
}

fn text(line: &[u8]) -> RedisResult<String> {
    String::from_utf8(line.to_vec()).map_err(|_| malformed())
}

fn malformed() -> redis::RedisError {
    (ErrorKind::Parse, "what answers there doesn't speak RESP2").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies of each kind, as Redis sends them.
    const REPLIES: [&str; 14] = [
        "+OK\r\n",
        "+QUEUED\r\n",
        "-WRONGTYPE Operation against a key\r\n",
        "-ERR\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        "$-1\r\n",
        "$0\r\n\r\n",
        "$12\r\nline\r\n\u{20ac}end\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*3\r\n:1\r\n$-1\r\n*0\r\n",
        "*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n-ERR inner\r\n",
        "*1\r\n*1\r\n*1\r\n:7\r\n",
    ];

    fn decoded(decoder: &mut ReplyDecoder, bytes: &mut BytesMut) -> Vec<Value> {
        std::iter::from_fn(|| decoder.next(bytes).unwrap()).collect()
    }

    #[test]
    fn replies_are_what_the_library_reads_wherever_they_are_cut() {
        let all = REPLIES.concat();
        let expected: Vec<_> = REPLIES
            .iter()
            .map(|reply| redis::parse_redis_value(reply.as_bytes()).unwrap())
            .collect();
        for cut in 0..=all.len() {
            let (mut decoder, mut bytes) = (ReplyDecoder::default(), BytesMut::new());
            let mut found = Vec::new();
            for part in [&all.as_bytes()[..cut], &all.as_bytes()[cut..]] {
                bytes.extend_from_slice(part);
                found.extend(decoded(&mut decoder, &mut bytes));
            }
            assert_eq!(found, expected, "cut at {cut}");
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_reply_that_arrives_byte_by_byte_is_complete_with_its_last_one() {
        for reply in REPLIES {
            let (mut decoder, mut bytes) = (ReplyDecoder::default(), BytesMut::new());
            for (at, byte) in reply.bytes().enumerate() {
                bytes.extend_from_slice(&[byte]);
                let found = decoder.next(&mut bytes).unwrap();
                assert_eq!(found.is_some(), at + 1 == reply.len(), "{reply:?} at {at}");
            }
        }
    }

    #[test]
    fn what_is_not_resp2_is_an_error() {
        for text in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "+no return\n",
            ":one\r\n",
            "$-2\r\n",
            "$3\r\nabcde\r\n",
            "*-7\r\n",
            "$9223372036854775807\r\n$18446744073709551615\r\n",
            "%1\r\n",
        ] {
            let mut bytes = BytesMut::from(text);
            let read = ReplyDecoder::default().next(&mut bytes);
            let incomplete = text.starts_with("$9");
            assert_eq!(read.is_err(), !incomplete, "{text:?}: {read:?}");
        }
        let mut endless = BytesMut::from(&[b'+'; LINE_BYTES_MAX + 2][..]);
        assert!(ReplyDecoder::default().next(&mut endless).is_err());
    }
}
