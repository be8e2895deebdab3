//! Patterns of times (`%Y-%m-%d %H:%M`): which directives they may have, and what a text of a pattern looks like.

use Field::{Day, Fraction, HalfDay, Hour, Minute, Month, Second, Year};

/// A field of a time; the first seven are ordered from coarse to fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
    HalfDay,
    Offset,
}

/// Each directive with its shape in a text and its fields.
const DIRECTIVES: [(&str, &str, &[Field]); 18] = [
    ("%F", r"\d{4}-\d{2}-\d{2}", &[Year, Month, Day]),
    ("%T", r"\d{2}:\d{2}:[0-5]\d", &[Hour, Minute, Second]),
    ("%Y", r"\d{4}", &[Year]),
    ("%y", r"\d{2}", &[Year]),
    ("%m", r"\d{2}", &[Month]),
    ("%-m", r"\d{1,2}", &[Month]),
    ("%d", r"\d{2}", &[Day]),
    ("%-d", r"\d{1,2}", &[Day]),
    ("%H", r"\d{2}", &[Hour]),
    ("%-H", r"\d{1,2}", &[Hour]),
    ("%I", r"\d{2}", &[Hour]),
    ("%-I", r"\d{1,2}", &[Hour]),
    ("%p", "(?i:AM|PM)", &[HalfDay]),
    ("%M", r"\d{2}", &[Minute]),
    ("%S", r"[0-5]\d", &[Second]),
    ("%.f", FRACTION, &[Fraction]),
    (
        "%z",
        r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)",
        &[Field::Offset],
    ),
    ("%%", "%", &[]),
];
/// The shape of `%.f`.
pub(super) const FRACTION: &str = r"(?:[.,]\d{1,9})?";

/// A parsed pattern.
pub(super) struct Pattern<'a> {
    /// A text of this pattern matches it.
    pub shape: String,
    fields: Vec<Field>,
    /// Its directives and literal characters.
    parts: Vec<&'a str>,
}

impl<'a> Pattern<'a> {
    /// Parses a pattern. The error says what is allowed.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        let mut pattern = Self {
            shape: String::new(),
            fields: Vec::new(),
            parts: Vec::new(),
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let directive = DIRECTIVES.iter().find(|(d, ..)| rest.starts_with(d));
            let (taken, shape) = match directive {
                Some((directive, shape, fields)) => {
                    pattern.fields.extend(*fields);
                    (*directive, (*shape).to_owned())
                }
                None if first == '%' => {
                    return Err(format!(
                        "the time format `{text}` has an unknown directive: allowed are %Y %y %m %-m %d %-d %H %-H %I %-I \
                     %p %M %S %.f %z %F %T %%, or the whole format is `rfc3339`, `epoch` or `epoch_ms`"
                    ));
                }
                None => {
                    let literal = &rest[..first.len_utf8()];
                    (literal, regex_lite::escape(literal))
                }
            };
            pattern.shape += &shape;
            pattern.parts.push(taken);
            rest = &rest[taken.len()..];
        }
        Ok(pattern)
    }

    /// The same pattern as `jiff` has it: several where it has no single one for `%z` or `%.f`.
    pub(super) fn for_jiff(&self) -> Vec<String> {
        let mut patterns = vec![String::new()];
        for part in &self.parts {
            let alternatives: &[&str] = match *part {
                "%z" => &["%:z", "%z", "Z", "z"],
                "%.f" => &["%.f", ",%f"],
                _ => &[part],
            };
            let longer = |tail| patterns.iter().map(move |head| format!("{head}{tail}"));
            patterns = alternatives.iter().flat_map(longer).collect();
        }
        patterns
    }

    /// Refuses a pattern without a whole date, with a field twice, or with a field but not the coarser ones: `%m`
    /// instead of `%M` is a mistake that would otherwise make every row unreadable.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let count = |wanted: Field| self.fields.iter().filter(|field| **field == wanted).count();
        let names = [
            ("year (%Y, %y)", Year),
            ("month (%m)", Month),
            ("day (%d)", Day),
            ("hour (%H, %I)", Hour),
            ("minute (%M)", Minute),
            ("second (%S)", Second),
            ("fraction (%.f)", Fraction),
            ("AM or PM (%p)", HalfDay),
            ("offset (%z)", Field::Offset),
        ];
        let finest = self
            .fields
            .iter()
            .filter(|field| **field as usize <= Fraction as usize);
        let finest = finest.map(|field| *field as usize).max().unwrap_or(0);
        for (name, field) in names {
            let needed = field as usize <= finest.max(Day as usize);
            let count = count(field);
            if count > 1 || (needed && count == 0) {
                return Err(format!(
                    "the time format `{text}` must have one {name}, it has {count}"
                ));
            }
        }
        let halves = self.parts.contains(&"%I") || self.parts.contains(&"%-I");
        if halves != (count(HalfDay) == 1) {
            return Err(format!(
                "the time format `{text}` must have %I and %p together: a 12-hour clock needs AM or PM"
            ));
        }
        Ok(())
    }
}
