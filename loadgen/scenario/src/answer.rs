//! What a scenario wants of an answer beyond its status and its JSON: values to extract, and checks of headers, text, size and time. Must
//! not know how answers come.

use std::time::Duration;

use serde_json::Value;

use crate::pattern::{JsonPlace, Pattern};
use crate::template::Template;

/// A variable and where its value is found.
#[derive(Debug, Clone)]
pub struct Extract {
    /// The variable.
    pub variable: String,
    /// Where its value is found.
    pub place: Place,
    /// Whether it gets the list of all values found, instead of the first.
    pub all: bool,
    /// Its value if nothing is found; without one that is an error.
    pub default: Option<Value>,
}

/// A place in an answer.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the body, which is JSON.
    Json(JsonPlace),
    /// A header, by its name in lower case; the whole value, or what a pattern finds in it.
    Header(String, Option<Pattern>),
    /// What a pattern finds in the body's text.
    Text(Pattern),
}

impl Extract {
    /// The first value at a JSON pointer.
    pub fn pointer(variable: &str, pointer: &str) -> Self {
        Self {
            variable: variable.to_owned(),
            place: Place::Json(JsonPlace::Pointer(pointer.to_owned())),
            all: false,
            default: None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(place) => place.fmt(f),
            Self::Header(name, None) => write!(f, "header {name}"),
            Self::Header(name, Some(pattern)) => write!(f, "header {name}, {}", pattern.text()),
            Self::Text(pattern) => f.write_str(pattern.text()),
        }
    }
}

/// What a header must be; several headers of one name are one value, with commas.
#[derive(Debug)]
pub enum HeaderCheck {
    /// There, whatever its value.
    Present,
    /// Not there.
    Absent,
    /// Exactly this.
    Equal(Template),
    /// This is somewhere in it.
    Contain(Template),
    /// The pattern matches.
    Match(Pattern),
}

/// What an answer must be beyond its status and its JSON.
#[derive(Debug, Default)]
pub struct AnswerChecks {
    /// Headers by name, in lower case.
    pub headers: Vec<(String, HeaderCheck)>,
    /// Must match in the body's text.
    pub pattern: Option<Pattern>,
    /// The body's least length, in bytes.
    pub bytes_min: Option<usize>,
    /// The body's greatest length, in bytes.
    pub bytes_max: Option<usize>,
    /// The longest response time.
    pub response_time_max: Option<Duration>,
}

impl AnswerChecks {
    /// Whether these checks, or what is extracted, need the answer's headers.
    pub fn reads_headers(&self, extract: &[Extract]) -> bool {
        !self.headers.is_empty() || extract.iter().any(|e| matches!(e.place, Place::Header(..)))
    }
}
