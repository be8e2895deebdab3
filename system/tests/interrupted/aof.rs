//! Redis's append-only file: where its transactions end, and a data folder in which it ends earlier.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ordershop_contract::topic::Topic;

/// The folder of the append-only file's parts, in the data folder.
const PARTS: &str = "appendonlydir";

/// The part that Redis appends to.
fn growing_part(data: &Path) -> PathBuf {
    let parts = std::fs::read_dir(data.join(PARTS)).unwrap();
    let mut growing = parts
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
    let part = growing.next().expect("Redis has an append-only file");
    assert_eq!(growing.next(), None, "a small file is not rewritten");
    part
}

/// The transactions in a data folder's append-only file, from `MULTI` to the end of `EXEC`, in bytes.
pub fn transactions(data: &Path) -> Vec<Range<usize>> {
    let bytes = std::fs::read(growing_part(data)).unwrap();
    let (mut at, mut begin, mut found) = (0, None, Vec::new());
    while at < bytes.len() {
        let from = at;
        let name = command(&bytes, &mut at);
        match name.to_ascii_uppercase().as_slice() {
            b"MULTI" => begin = Some(from),
            b"EXEC" => found.push(begin.take().unwrap()..at),
            _ => {}
        }
    }
    found
}

/// Cuts a data folder's append-only file before the last transaction that appended to a topic.
pub fn cut_before_last_append(data: &Path, topic: Topic) {
    let part = growing_part(data);
    let bytes = std::fs::read(&part).unwrap();
    let key = format!("events:{{{topic}}}");
    let appends = |one: &Range<usize>| {
        let text = String::from_utf8_lossy(&bytes[one.clone()]);
        text.contains("XADD") && text.contains(&key)
    };
    let last = transactions(data).into_iter().rfind(appends);
    let part = std::fs::OpenOptions::new().write(true).open(part);
    let end = last.expect("the topic has an event").start;
    part.unwrap().set_len(end as u64).unwrap();
}

/// Reads one command, `*<count>\r\n$<bytes>\r\n<argument>\r\n…`; returns its name.
fn command<'a>(bytes: &'a [u8], at: &mut usize) -> &'a [u8] {
    let count = number(bytes, at, b'*');
    let mut arguments = (0..count).map(|_| {
        let length = number(bytes, at, b'$');
        let argument = &bytes[*at..*at + length];
        *at += length + 2;
        argument
    });
    let name = arguments.next().unwrap();
    arguments.for_each(drop);
    name
}

fn number(bytes: &[u8], at: &mut usize, sign: u8) -> usize {
    assert_eq!(bytes[*at], sign, "at byte {at}");
    let length = bytes[*at..].iter().position(|&byte| byte == b'\r').unwrap();
    let text = std::str::from_utf8(&bytes[*at + 1..*at + length]).unwrap();
    *at += length + 2;
    text.parse().unwrap()
}

/// Copies a data folder's append-only file into another one, up to a byte.
pub fn copy_until(data: &Path, end: usize, to: &Path) {
    let parts = to.join(PARTS);
    std::fs::create_dir_all(&parts).unwrap();
    for entry in std::fs::read_dir(data.join(PARTS)).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, parts.join(from.file_name().unwrap())).unwrap();
    }
    let part = std::fs::OpenOptions::new()
        .write(true)
        .open(growing_part(to));
    part.unwrap().set_len(end as u64).unwrap();
}
