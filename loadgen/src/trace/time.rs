//! Parses recorded times strictly: a time must have the mapped format from its first to its last character, and be a
//! date that exists. It knows no time zones except a written offset; local times are taken as
//! they are, because a replay needs only differences.

use std::time::Duration;

use serde::Deserialize;

use super::time_fields::{Fields, fixed, fraction_us, offset_s, up_to};

/// A time of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordedTime {
    /// µs since 1970-01-01T00:00, in whatever zone the export is in.
    pub unix_us: i64,
    /// The precision of the text: 60 s without seconds, 1 s without a fraction, 0 with one.
    pub open: Duration,
}

/// How an export writes its times: `rfc3339`, `epoch` (seconds), `epoch_ms`, or a pattern of `%Y` (4 digits) `%y`
/// (20xx) `%m` `%d` `%H` `%I` `%M` `%S` (2 digits each; `%-m`, `%-d`, `%-H`, `%-I`: 1 or 2), `%p` (AM, PM), `%.f`
/// (an optional fraction), `%z` (Z or ±hh:mm), `%F` = `%Y-%m-%d`, `%T` = `%H:%M:%S`, `%%` and literal characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeFormat {
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Year,
    ShortYear,
    Month {
        padded: bool,
    },
    Day {
        padded: bool,
    },
    Hour {
        padded: bool,
    },
    Hour12 {
        padded: bool,
    },
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
    Epoch,
    EpochMs,
    /// The separator of date and time in RFC 3339: `T`, `t` or a space.
    DateTimeSeparator,
    Literal(char),
}

/// The default: ISO 8601 to the minute.
const ISO_MINUTE: &str = "%Y-%m-%dT%H:%M";

impl Default for TimeFormat {
    fn default() -> Self {
        Self::try_from(ISO_MINUTE.to_owned()).expect("the default is a valid format")
    }
}

impl TryFrom<String> for TimeFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let items = match text.as_str() {
            "epoch" => vec![Item::Epoch, Item::Fraction],
            "epoch_ms" => vec![Item::EpochMs],
            "rfc3339" => {
                let mut items = items("%F")?;
                items.push(Item::DateTimeSeparator);
                items.extend(self::items("%T%.f%z")?);
                items
            }
            pattern => {
                let items = items(pattern)?;
                check_complete(pattern, &items)?;
                items
            }
        };
        Ok(Self { items })
    }
}

fn items(pattern: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            items.push(Item::Literal(c));
            continue;
        }
        let mut directive = rest.next();
        let padded = directive != Some('-');
        if !padded {
            directive = rest.next();
        }
        items.push(match (directive, padded) {
            (Some('m'), padded) => Item::Month { padded },
            (Some('d'), padded) => Item::Day { padded },
            (Some('H'), padded) => Item::Hour { padded },
            (Some('I'), padded) => Item::Hour12 { padded },
            (Some('Y'), true) => Item::Year,
            (Some('y'), true) => Item::ShortYear,
            (Some('M'), true) => Item::Minute,
            (Some('S'), true) => Item::Second,
            (Some('p'), true) => Item::HalfDay,
            (Some('z'), true) => Item::Offset,
            (Some('%'), true) => Item::Literal('%'),
            (Some('.'), true) if rest.next() == Some('f') => Item::Fraction,
            (Some(short @ ('F' | 'T')), true) => {
                let long = if short == 'F' { "%Y-%m-%d" } else { "%H:%M:%S" };
                items.extend(self::items(long)?);
                continue;
            }
            _ => return Err(format!(
                "the time format `{pattern}` has an unknown directive: allowed are %Y %y %m %-m %d %-d %H %-H %I %-I \
                 %p %M %S %.f %z %F %T %%, or the whole format is `rfc3339`, `epoch` or `epoch_ms`"
            )),
        });
    }
    Ok(items)
}

/// A pattern must have a whole date, and no field twice: `%m` instead of `%M` is a mistake that would otherwise make
/// every row unreadable.
fn check_complete(pattern: &str, items: &[Item]) -> Result<(), String> {
    let count = |wanted: fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
    let counts = [
        (
            "year (%Y, %y)",
            count(|i| matches!(i, Item::Year | Item::ShortYear)),
            true,
        ),
        (
            "month (%m)",
            count(|i| matches!(i, Item::Month { .. })),
            true,
        ),
        ("day (%d)", count(|i| matches!(i, Item::Day { .. })), true),
        (
            "hour (%H, %I)",
            count(|i| matches!(i, Item::Hour { .. } | Item::Hour12 { .. })),
            false,
        ),
        ("minute (%M)", count(|i| *i == Item::Minute), false),
        ("second (%S)", count(|i| *i == Item::Second), false),
        ("fraction (%.f)", count(|i| *i == Item::Fraction), false),
        ("offset (%z)", count(|i| *i == Item::Offset), false),
        ("AM or PM (%p)", count(|i| *i == Item::HalfDay), false),
    ];
    for (name, count, required) in counts {
        if count > 1 || (required && count == 0) {
            return Err(format!(
                "the time format `{pattern}` must have one {name}, it has {count}"
            ));
        }
    }
    let halves = count(|i| matches!(i, Item::Hour12 { .. }));
    if halves != count(|i| *i == Item::HalfDay) {
        return Err(format!(
            "the time format `{pattern}` must have %I and %p together: a 12-hour clock needs AM or PM"
        ));
    }
    Ok(())
}

impl TimeFormat {
    /// Parses `text`; `None` if it doesn't have exactly this format, or if the date doesn't exist.
    pub(super) fn parse(&self, text: &str) -> Option<RecordedTime> {
        let mut fields = Fields::default();
        let mut rest = text;
        for item in &self.items {
            match *item {
                Item::Year => fields.year = fixed(&mut rest, 4)?,
                Item::ShortYear => fields.year = 2000 + fixed(&mut rest, 2)?,
                Item::Month { padded } => fields.month = one_or_two(&mut rest, padded)?,
                Item::Day { padded } => fields.day = one_or_two(&mut rest, padded)?,
                Item::Hour { padded } => fields.hour = Some(one_or_two(&mut rest, padded)?),
                Item::Hour12 { padded } => fields.hour12 = Some(one_or_two(&mut rest, padded)?),
                Item::HalfDay => {
                    let half = rest.get(..2)?;
                    fields.afternoon = half.eq_ignore_ascii_case("PM");
                    if !fields.afternoon && !half.eq_ignore_ascii_case("AM") {
                        return None;
                    }
                    rest = &rest[2..];
                }
                Item::Minute => fields.minute = Some(fixed(&mut rest, 2)?),
                Item::Second => fields.second = Some(fixed(&mut rest, 2)?),
                Item::Fraction => fields.fraction_us = fraction_us(&mut rest)?,
                Item::Offset => fields.offset_s = offset_s(&mut rest)?,
                Item::Epoch => fields.epoch_us = Some(up_to(&mut rest, 12)? * 1_000_000),
                Item::EpochMs => {
                    fields.epoch_us = Some(up_to(&mut rest, 15)? * 1_000);
                    fields.fraction_us = Some(0);
                }
                Item::DateTimeSeparator => rest = rest.strip_prefix(['T', 't', ' '])?,
                Item::Literal(c) => rest = rest.strip_prefix(c)?,
            }
        }
        if !rest.is_empty() {
            return None;
        }
        Some(RecordedTime {
            unix_us: fields.unix_us()?,
            open: fields.open(),
        })
    }
}

fn one_or_two(rest: &mut &str, padded: bool) -> Option<i64> {
    if padded {
        fixed(rest, 2)
    } else {
        up_to(rest, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_S: i64 = 1_291_204_800; // 2010-12-01T12:00:00Z

    fn parse(format: &str, text: &str) -> Option<(i64, u64)> {
        let format = TimeFormat::try_from(format.to_owned()).expect("a valid format");
        format.parse(text).map(|t| (t.unix_us, t.open.as_secs()))
    }

    #[test]
    fn times_are_read_in_every_supported_format() {
        let noon_us = NOON_S * 1_000_000;
        let cases = [
            (ISO_MINUTE, "2010-12-01T12:00", noon_us, 60),
            ("%Y-%m-%d %H:%M", "2010-12-01 12:00", noon_us, 60),
            ("%FT%T", "2010-12-01T12:00:00", noon_us, 1),
            ("%F %T", "2010-12-01 12:00:00", noon_us, 1),
            ("%F %T%.f", "2010-12-01 12:00:00", noon_us, 1),
            ("%F %T%.f", "2010-12-01 12:00:00.25", noon_us + 250_000, 0),
            ("rfc3339", "2010-12-01T12:00:00Z", noon_us, 1),
            (
                "rfc3339",
                "2010-12-01t14:30:00.000001+02:30",
                noon_us + 1,
                0,
            ),
            ("rfc3339", "2010-12-01 07:00:00-05:00", noon_us, 1),
            ("epoch", "1291204800", noon_us, 1),
            ("epoch", "1291204800.5", noon_us + 500_000, 0),
            ("epoch_ms", "1291204800007", noon_us + 7_000, 0),
            ("%-m/%-d/%Y %-H:%M", "12/1/2010 12:00", noon_us, 60),
            ("%d.%m.%y %I:%M %p", "01.12.10 12:00 PM", noon_us, 60),
            (
                "%F %I:%M%p",
                "2010-12-01 12:00am",
                noon_us - 43_200_000_000,
                60,
            ),
            ("%F", "2010-12-01", noon_us - 43_200_000_000, 86_400),
            ("%F", "1970-01-01", 0, 86_400),
            ("%F", "2000-02-29", 951_782_400_000_000, 86_400),
            ("%F", "0001-01-01", -62_135_596_800_000_000, 86_400),
        ];

        for (format, text, unix_us, open_s) in cases {
            assert_eq!(
                parse(format, text),
                Some((unix_us, open_s)),
                "{format} {text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_unreadable() {
        let cases = [
            (ISO_MINUTE, ""),
            (ISO_MINUTE, "2010-12-01"),
            (ISO_MINUTE, "2010-12-01T12:00:00"),
            (ISO_MINUTE, "2010-12-01 12:00"),
            (ISO_MINUTE, "2010-13-01T12:00"),
            (ISO_MINUTE, "2010-02-29T12:00"),
            (ISO_MINUTE, "1900-02-29T12:00"),
            (ISO_MINUTE, "2010-00-01T12:00"),
            (ISO_MINUTE, "2010-12-00T12:00"),
            (ISO_MINUTE, "0000-12-01T12:00"),
            (ISO_MINUTE, "2010-12-01T24:00"),
            (ISO_MINUTE, "2010-12-01T12:60"),
            (ISO_MINUTE, "2010-12-01T1:00"),
            (ISO_MINUTE, "+010-12-01T12:00"),
            (ISO_MINUTE, "2010-12-01T12:0é"),
            ("%F %T", "2010-12-01 12:00:60"),
            ("%F %I:%M %p", "2010-12-01 13:00 PM"),
            ("%F %I:%M %p", "2010-12-01 00:00 AM"),
            ("%F %I:%M %p", "2010-12-01 12:00 XM"),
            ("rfc3339", "2010-12-01T12:00:00"),
            ("rfc3339", "2010-12-01T12:00:00+24:00"),
            ("rfc3339", "2010-12-01T12:00:00.Z"),
            ("epoch", "-1"),
            ("epoch", "999999999999"),
            ("epoch", "noon"),
        ];

        for (format, text) in cases {
            assert_eq!(parse(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn a_format_that_says_no_moment_is_refused() {
        for format in [
            "",
            "%H:%M",
            "%Y-%m",
            "%Y-%m-%d %H:%m",
            "%Q",
            "%",
            "%-Y-%m-%d",
            "%F %I:%M",
            "%F %.g",
        ] {
            assert!(TimeFormat::try_from(format.to_owned()).is_err(), "{format}");
        }
    }
}
