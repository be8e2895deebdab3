//! Environment variables that templates read as `{{env.NAME}}`. Their values go into requests and nowhere else: whatever is shown passes
//! through [`Secrets::hide`]. Must not know which requests they end up in.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::sources::Files;
use crate::spelling::Spelling;
use crate::vars::Vars;

/// The variable that has the environment's variables as its fields.
pub const ENV: &str = "env";
/// What stands in the place of a value.
const HIDDEN: &str = "***";
/// The shortest value that is hidden in hexadecimal digits.
const HEX_BYTES_MIN: usize = 4;

/// The environment variables that a scenario reads, by name.
#[derive(Clone, Default)]
pub struct Secrets {
    values: Vars,
    hidden: Hidden,
}

/// Texts that are shown nowhere, however a target has written them.
#[derive(Clone, Default)]
pub struct Hidden {
    spellings: Vec<Spelling>,
    /// By byte: whether one of them may begin with it.
    starts: Vec<bool>,
}

impl Hidden {
    /// Adds a text: as it is, in base64 and in hexadecimal digits, each of them in the usual codes.
    pub fn add(&mut self, value: &str) {
        let mut forms = vec![
            value.to_owned(),
            STANDARD.encode(value),
            STANDARD_NO_PAD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
        ];
        // Those of fewer bytes are numbers that stand everywhere.
        if value.len() >= HEX_BYTES_MIN {
            let digits: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            forms.extend([digits.to_uppercase(), digits]);
        }
        self.starts.resize(256, false);
        forms.retain(|form| !form.is_empty());
        for spelling in forms.iter().map(|form| Spelling::new(form)) {
            for byte in spelling.first_bytes() {
                self.starts[usize::from(byte)] = true;
            }
            self.spellings.push(spelling);
        }
    }

    /// The text without any of those that were added.
    pub fn hide(&self, text: String) -> String {
        let bytes = text.as_bytes();
        let mut out = String::new();
        let (mut taken, mut at) = (0, 0);
        while at < bytes.len() {
            let may_start = self.starts.get(usize::from(bytes[at])) == Some(&true);
            let spellings = self.spellings.iter().filter(|_| may_start);
            let found = spellings.filter_map(|spelling| spelling.length_in(&bytes[at..]));
            match found.max() {
                Some(length) => {
                    out.push_str(&text[taken..at]);
                    out.push_str(HIDDEN);
                    at += length;
                    taken = at;
                }
                None => at += 1,
            }
        }
        match taken {
            0 => text,
            _ => out + &text[taken..],
        }
    }
}

impl Secrets {
    /// Reads an environment variable, once. The error says what is wrong with it.
    pub(crate) fn read(&mut self, name: &str, files: &Files<'_>) -> Result<(), String> {
        use std::env::VarError;
        if self.values.contains_key(name) {
            return Ok(());
        }
        let value = files.variable(name).map_err(|e| match e {
            VarError::NotPresent => format!("the environment has no variable `{name}`"),
            VarError::NotUnicode(_) => {
                format!("the environment's variable `{name}` is not UTF-8 text")
            }
        })?;
        self.add(name, value);
        Ok(())
    }

    fn add(&mut self, name: &str, value: String) {
        self.hidden.add(&value);
        self.values.insert(name.to_owned(), value.into());
    }

    /// The variables and their values, which are for another reader of the same scenario.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.values.iter();
        values.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// The variable `env` for templates; `None` if the scenario reads nothing of the environment.
    pub fn variable(&self) -> Option<(String, Value)> {
        (!self.values.is_empty()).then(|| (ENV.to_owned(), self.values.clone().into()))
    }

    /// The text without any of the values.
    pub fn hide(&self, text: String) -> String {
        self.hidden.hide(text)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_however_it_is_written() {
        let mut secrets = Secrets::default();
        secrets.add("KEY", "pa\"ss w".into());

        for text in [
            "x pa\"ss w y",
            r#"x pa\"ss w y"#,
            "x pa%22ss%20w y",
            "x cGEic3Mgdw== y",
            "x cGEic3Mgdw y",
            "x pa%22ss+w y",
            "x cGEic3Mgdw%3D%3D y",
            "x 70612273732077 y",
            r"x pa\u0022ss\u0020w y",
        ] {
            assert_eq!(secrets.hide(text.into()), "x *** y", "{text}");
        }
        assert_eq!(format!("{secrets:?}"), r#"{"KEY"}"#);
    }

    #[test]
    fn of_several_values_the_longest_is_hidden_and_what_is_none_stays() {
        let mut secrets = Secrets::default();
        secrets.add("EMPTY", String::new());
        secrets.add("SHORT", "a1".into());
        secrets.add("LONG", "a1b2".into());
        for (text, expected) in [
            ("", ""),
            ("a1b2a1", "******"),
            ("6131: A1 a 1 \u{f6}%", "6131: A1 a 1 \u{f6}%"),
            ("\u{f6}a1\u{f6}61316232", "\u{f6}***\u{f6}***"),
        ] {
            assert_eq!(secrets.hide(text.into()), expected, "{text}");
        }
    }
}
