//! Environment variables that templates read as `{{env.NAME}}`. Their values go into requests and nowhere else: whatever is shown passes
//! through [`Secrets::hide`]. Must not know which requests they end up in.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::filter::percent_encoded;
use crate::sources::Files;
use crate::template::escape;
use crate::vars::Vars;

/// The variable that has the environment's variables as its fields.
pub const ENV: &str = "env";
/// What stands in the place of a value.
const HIDDEN: &str = "***";

/// The environment variables that a scenario reads, by name.
#[derive(Clone, Default)]
pub struct Secrets {
    values: Vars,
    /// Every way in which a value may stand in an answer or in an error, longest first.
    forms: Vec<String>,
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
        if !value.is_empty() {
            self.forms.extend([
                escape(&value),
                percent_encoded(&value),
                value.escape_debug().to_string(),
                STANDARD.encode(&value),
                STANDARD_NO_PAD.encode(&value),
                URL_SAFE_NO_PAD.encode(&value),
                value.clone(),
            ]);
            self.forms
                .sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
            self.forms.dedup();
        }
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
    pub fn hide(&self, mut text: String) -> String {
        for form in &self.forms {
            if text.contains(form) {
                text = text.replace(form, HIDDEN);
            }
        }
        text
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
        ] {
            assert_eq!(secrets.hide(text.into()), "x *** y", "{text}");
        }
        assert_eq!(format!("{secrets:?}"), r#"{"KEY"}"#);
    }
}
