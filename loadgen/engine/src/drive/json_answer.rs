//! Reads JSON as servers send it: behind a byte order mark, with half a surrogate pair in a text that was cut, in another encoding than
//! UTF-8. What can't be read becomes the replacement character U+FFFD, as browsers do it.

use std::borrow::Cow;

use loadgen_scenario::as_written;
use serde_json::Value;

/// The UTF-8 byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The length of `\ud83d`.
const ESCAPE_BYTES: usize = 6;

/// Parses an answer. The error is that of the answer as it came.
pub fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    as_written::parse(&text)
        .or_else(|as_sent| as_written::parse(&whole_characters(&text)).map_err(|_| as_sent))
}

/// Replaces escapes that are one half of a surrogate pair.
fn whole_characters(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut taken, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        at += match (bytes[at], unit(&bytes[at..])) {
            (b'\\', Some(0xd800..=0xdbff))
                if matches!(unit(&bytes[at + ESCAPE_BYTES..]), Some(0xdc00..=0xdfff)) =>
            {
                2 * ESCAPE_BYTES
            }
            (b'\\', Some(0xd800..=0xdfff)) => {
                out.push_str(&text[taken..at]);
                out.push('\u{fffd}');
                taken = at + ESCAPE_BYTES;
                ESCAPE_BYTES
            }
            (b'\\', Some(_)) => ESCAPE_BYTES,
            // An escaped backslash does not begin another escape.
            (b'\\', None) => 2,
            _ => 1,
        };
    }
    match taken {
        0 => text.into(),
        _ => {
            out.push_str(&text[taken..]);
            out.into()
        }
    }
}

/// The UTF-16 unit that an escape at the beginning stands for.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen_scenario::as_written::AsWritten;

    #[test]
    fn json_is_read_as_servers_send_it() {
        let deep = [
            b"{\"id\":7,\"x\":",
            "[".repeat(200).as_bytes(),
            "]".repeat(200).as_bytes(),
            b"}",
        ]
        .concat();
        for (sent, pointer, expected) in [
            (&deep[..], "/id", "7"),
            (br#"{"id":7,"x":1e400}"#, "/id", "7"),
            (
                br#"{"id":18446744073709551616}"#,
                "/id",
                "18446744073709551616",
            ),
            (&b"\xef\xbb\xbf{\"id\": 7}"[..], "/id", "7"),
            (
                br#"{"id": 7, "title": "cut \ud83d"}"#,
                "/title",
                "\"cut \u{fffd}\"",
            ),
            (
                br#"{"t": "\ude00\ud83d\ude00 \\ud83d"}"#,
                "/t",
                "\"\u{fffd}\u{1f600} \\\\ud83d\"",
            ),
            (
                br#"{"t": "\ud83d\ud83d\ude00"}"#,
                "/t",
                "\"\u{fffd}\u{1f600}\"",
            ),
            (br#"{"t": "\ud83dxyzxyz"}"#, "/t", "\"\u{fffd}xyzxyz\""),
            (b"{\"t\": \"M\xfcll\"}", "/t", "\"M\u{fffd}ll\""),
        ] {
            let json = parse(sent).unwrap();
            let found = AsWritten(json.pointer(pointer).unwrap()).to_string();
            assert_eq!(found, expected);
        }
        for wrong in [
            &b""[..],
            b"<html>",
            br#"{"t": "\ud83"#,
            b"\\",
            br#""\ud83d\"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
