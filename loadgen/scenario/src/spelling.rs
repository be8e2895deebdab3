//! A text as a target may repeat it: each of its characters written in any of the usual ways, and coded twice. Must not know what the text is
//! for.

use std::sync::{Arc, LazyLock};

use crate::filter::percent_encoded;
use crate::template::escape;

/// The ways of writing one character.
type Ways = Arc<[String]>;

/// Those of ASCII, because texts are looked for while a run goes on.
static ASCII: LazyLock<Vec<Ways>> = LazyLock::new(|| ('\0'..='\x7f').map(made).collect());

/// The ways of writing each character of a text.
#[derive(Clone)]
pub struct Spelling(Vec<Ways>);

impl Spelling {
    /// All the ways of writing this text.
    pub fn new(text: &str) -> Self {
        Self(text.chars().map(ways).collect())
    }

    /// The bytes with which the text may begin.
    pub fn first_bytes(&self) -> impl Iterator<Item = u8> {
        let first = self.0.first().into_iter().flat_map(|ways| ways.iter());
        first.flat_map(|way| {
            let byte = way.as_bytes()[0];
            [byte, byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]
        })
    }

    /// The length of the text at the beginning, in the longest way; `None` if it isn't there.
    pub fn length_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut ends = vec![0];
        for ways in &self.0 {
            let mut next = Vec::new();
            for &end in &ends {
                for way in ways.iter().filter(|way| begins(&bytes[end..], way)) {
                    if !next.contains(&(end + way.len())) {
                        next.push(end + way.len());
                    }
                }
            }
            ends = next;
            if ends.is_empty() {
                return None;
            }
        }
        ends.into_iter().max()
    }
}

/// Codes are the same in upper and lower case, as in `%c3`; a character by itself is not.
fn begins(bytes: &[u8], way: &str) -> bool {
    let way = way.as_bytes();
    let Some(start) = bytes.get(..way.len()) else {
        return false;
    };
    start == way || (way.is_ascii() && way.len() > 1 && start.eq_ignore_ascii_case(way))
}

fn ways(character: char) -> Ways {
    let ascii = ASCII.get(character as usize);
    ascii.map_or_else(|| made(character), Ways::clone)
}

fn made(character: char) -> Ways {
    let plain = character.to_string();
    let mut ways = codes(&plain);
    if matches!(character, '\u{80}'..='\u{ff}') {
        // As Latin-1: in a URL, and as a byte that is no UTF-8.
        ways.extend([format!("%{:02x}", u32::from(character)), '\u{fffd}'.into()]);
    }
    for code in ways.clone() {
        ways.extend([percent_encoded(&code), escape(&code), html(&code)]);
    }
    ways.push(plain);
    ways.sort();
    ways.dedup();
    ways.into()
}

/// A text in each of the usual codes: URLs, forms, JSON and other strings with escapes, HTML.
fn codes(text: &str) -> Vec<String> {
    let each = |code: &dyn Fn(char) -> String| text.chars().map(code).collect::<String>();
    let percent = |byte: u8| format!("%{byte:02x}");
    let found = [
        percent_encoded(text),
        text.bytes().map(percent).collect(),
        text.replace(' ', "+"),
        escape(text),
        text.replace('/', "\\/"),
        text.escape_debug().to_string(),
        text.escape_default().to_string(),
        each(&|c| {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units.map(|unit| format!("\\u{unit:04x}")).collect()
        }),
        each(&|c| format!("\\x{:02x}", u32::from(c))),
        html(text),
        each(&|c| format!("&#{};", u32::from(c))),
        each(&|c| format!("&#x{:x};", u32::from(c))),
    ];
    found.into()
}

fn html(text: &str) -> String {
    let code = |c| named(c).map_or_else(|| String::from(c), |name| format!("&{name};"));
    text.chars().map(code).collect()
}

/// The name that every HTML has for this character.
fn named(character: char) -> Option<&'static str> {
    Some(match character {
        '&' => "amp",
        '<' => "lt",
        '>' => "gt",
        '"' => "quot",
        '\'' => "apos",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_the_usual_codes_and_in_nothing_else() {
        let spelling = Spelling::new("p@ss/w \u{f6}+\"<&rd#%41");
        for text in [
            "p@ss/w \u{f6}+\"<&rd#%41",
            "p%40ss%2Fw%20%C3%B6%2B%22%3C%26rd%23%2541",
            "p%40ss%2fw%20%c3%b6%2b%22%3c%26rd%23%2541",
            "p%40ss%2Fw+%C3%B6%2B%22%3C%26rd%23%2541",
            "p@ss/w%20%C3%B6+%22%3C&rd#%2541",
            r#"p@ss\/w \u00F6+\"<&rd#%41"#,
            r"p@ss/w ö+\u0022\u003c\u0026rd#%41",
            r"p@ss/w \xf6+\x22\x3c\x26rd#%41",
            "p@ss/w &#246;+&quot;&lt;&amp;rd#%41",
            "p@ss/w &#xF6;+&#34;&#x3C;&#38;rd#%41",
            "p%2540ss%252Fw%2520%25C3%25B6%252B%2522%253C%2526rd%2523%252541",
            r#"p@ss/w \\u00f6+\\\"<&rd#%41"#,
            "p@ss/w%20%F6%2B%22%3C%26rd%23%2541",
            "p@ss/w \u{fffd}+\"<&rd#%41",
        ] {
            let length = spelling.length_in(text.as_bytes());
            assert_eq!(length, Some(text.len()), "{text}");
            assert!(
                spelling
                    .first_bytes()
                    .any(|byte| byte == text.as_bytes()[0])
            );
        }
        for text in [
            "",
            "p@ss/w ",
            "P@ss/w \u{f6}+\"<&rd#%41",
            "p@ss/w o+\"<&rd#%41",
        ] {
            assert_eq!(spelling.length_in(text.as_bytes()), None, "{text}");
        }
    }
}
