//! Makes characters visible that would steer a terminal, break a table or turn text around: what a server answers, and what a stranger's
//! file names, is shown and never obeyed.

use std::borrow::Cow;
use std::fmt::Write;

/// Text in which only line ends and tabs are left of the control characters. Others are written as `\u001b`, as in JSON, which stays JSON;
/// so are those that change the direction of text or end a line without being a line end.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match steers(c) {
            // Writing to a String can't fail.
            true => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of direction; separators of lines and paragraphs; the mark of byte order.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_or_turn_text_around_is_visible() {
        let rows = [
            (
                "plain, with\nlines\tand tabs",
                "plain, with\nlines\tand tabs",
            ),
            ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
            ("a\rb\x7f\u{9b}31m", "a\\u000db\\u007f\\u009b31m"),
            ("abc\u{202e}fdp.exe", "abc\\u202efdp.exe"),
            ("grün 👩\u{200d}🚀 日本", "grün 👩\u{200d}🚀 日本"),
        ];
        for (text, shown) in rows {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn visible_json_says_the_same() {
        let value = serde_json::json!({"example": "\x1b[2J\u{9b}31m\u{202e}\r\n\\"});
        let json = serde_json::to_string_pretty(&value).unwrap();
        let shown = visible(&json);
        assert!(!shown.contains('\u{9b}'), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
