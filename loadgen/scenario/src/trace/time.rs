//! Parses recorded times strictly: a time must have the mapped format from its first to its last character, and be a
//! date that exists. `jiff` parses dates, but accepts more (one digit for `%m`, a sign, second 60), so a text must also
//! have the format's shape. No time zone is known except a written offset; local times are taken as they are, because a
//! replay needs only differences.

use std::time::Duration;

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;
use serde::Deserialize;

use super::time_pattern::{FRACTION, Pattern};

/// A time of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordedTime {
    /// µs since 1970-01-01T00:00, in whatever zone the export is in.
    pub unix_us: i64,
    /// The precision of the text: 60 s without seconds, 1 s without a fraction, 0 with one.
    pub open: Duration,
}

/// How an export writes its times: `rfc3339`, `epoch` (seconds), `epoch_ms`, or a pattern of `%Y` (4 digits) `%y`
/// (00 to 68 are 20xx, 69 to 99 are 19xx) `%m` `%d` `%H` `%I` `%M` `%S` (2 digits each; `%-m`, `%-d`, `%-H`, `%-I`:
/// 1 or 2), `%p` (AM, PM), `%.f` (an optional fraction of up to 9 digits, after a point or a comma), `%z` (Z or
/// ±hh:mm), `%F` = `%Y-%m-%d`, `%T` = `%H:%M:%S`, `%%` and literal characters.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeFormat {
    text: String,
    /// A text of this format matches it.
    shape: Regex,
    notation: Notation,
}

impl PartialEq for TimeFormat {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone)]
enum Notation {
    Rfc3339,
    EpochMs,
    /// Patterns for `jiff`; the first that fits counts.
    Patterns(Vec<String>),
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
        let (shape, notation) = match text.as_str() {
            "epoch" => {
                let patterns = ["%s%.f", "%s,%f"].map(str::to_owned).to_vec();
                (
                    format!(r"\d{{1,12}}{FRACTION}"),
                    Notation::Patterns(patterns),
                )
            }
            "epoch_ms" => (r"\d{1,15}".to_owned(), Notation::EpochMs),
            "rfc3339" => {
                let (date, time) = (Pattern::read("%F")?, Pattern::read("%T%.f%z")?);
                (
                    format!("{}[Tt ]{}", date.shape, time.shape),
                    Notation::Rfc3339,
                )
            }
            text => {
                let pattern = Pattern::read(text)?;
                pattern.check(text)?;
                let for_jiff = pattern.for_jiff();
                (pattern.shape, Notation::Patterns(for_jiff))
            }
        };
        let shape = Regex::new(&format!("^{shape}$")).map_err(|e| format!("`{text}`: {e}"))?;
        Ok(Self {
            text,
            shape,
            notation,
        })
    }
}

impl TimeFormat {
    /// Parses `text`; `None` if it doesn't have exactly this format, or if the date doesn't exist.
    pub(super) fn parse(&self, text: &str) -> Option<RecordedTime> {
        if !self.shape.is_match(text) {
            return None;
        }
        let (moment, open_s) = match &self.notation {
            Notation::EpochMs => (Timestamp::from_millisecond(text.parse().ok()?).ok()?, 0),
            Notation::Rfc3339 => (text.parse().ok()?, u64::from(!text.contains(['.', ',']))),
            Notation::Patterns(patterns) => {
                let mut read = patterns.iter().map(|p| BrokenDownTime::parse(p, text));
                let read = read.find_map(Result::ok)?;
                (moment(&read)?, open_s(&read))
            }
        };
        // `jiff` knows a year 0.
        (Offset::UTC.to_datetime(moment).year() > 0).then(|| RecordedTime {
            unix_us: moment.as_microsecond(),
            open: Duration::from_secs(open_s),
        })
    }
}

fn moment(read: &BrokenDownTime) -> Option<Timestamp> {
    match read.timestamp() {
        Some(second) => {
            let fraction = read.subsec_nanosecond().unwrap_or(0);
            second
                .checked_add(SignedDuration::from_nanos(fraction.into()))
                .ok()
        }
        None => {
            let offset = read.offset().unwrap_or(Offset::UTC);
            offset.to_timestamp(read.to_datetime().ok()?).ok()
        }
    }
}

fn open_s(read: &BrokenDownTime) -> u64 {
    if read.subsec_nanosecond().is_some() {
        0
    } else if read.second().is_some() || read.timestamp().is_some() {
        1
    } else if read.minute().is_some() {
        60
    } else if read.hour().is_some() {
        3_600
    } else {
        86_400
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
            ("%F %T %z", "2010-12-01 12:00:00 Z", noon_us, 1),
            ("%F %T%z", "2010-12-01 13:00:00+0100", noon_us, 1),
            ("%%z %F %T%z", "%z 2010-12-01 11:00:00-01:00", noon_us, 1),
            ("%-m/%-d/%y", "02/3/10", 1_265_155_200_000_000, 86_400),
            ("%F %T%.f", "2010-12-01 12:00:00,25", noon_us + 250_000, 0),
            ("rfc3339", "2010-12-01T12:00:00,5Z", noon_us + 500_000, 0),
            ("epoch", "1291204800,5", noon_us + 500_000, 0),
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
            ("%F %T", "2010-12-01  12:00:00"),
            ("%F%z", "2010-12-01+2400"),
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
            "%F :%S",
        ] {
            assert!(TimeFormat::try_from(format.to_owned()).is_err(), "{format}");
        }
    }
}
