//! The fields of a time, their parsers (digits, fractions, offsets), and the calendar that
//! converts them to Unix time. It must not know any format.

use std::time::Duration;

const DAY_S: i64 = 86_400;
/// 9999-12-31T23:59:59: the last second with a year of four digits, and so the largest epoch allowed.
const UNIX_S_MAX: i64 = 253_402_300_799;

/// The fields found in a text; missing ones are zero or `None`.
#[derive(Default)]
pub(super) struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: Option<i64>,
    pub hour12: Option<i64>,
    pub afternoon: bool,
    pub minute: Option<i64>,
    pub second: Option<i64>,
    pub fraction_us: Option<i64>,
    pub offset_s: i64,
    /// µs since 1970; replaces all other fields except the fraction.
    pub epoch_us: Option<i64>,
}

impl Fields {
    /// µs since 1970, or `None` if there is no such time.
    pub(super) fn unix_us(&self) -> Option<i64> {
        let fraction_us = self.fraction_us.unwrap_or(0);
        if let Some(epoch_us) = self.epoch_us {
            return (epoch_us <= UNIX_S_MAX * 1_000_000).then_some(epoch_us + fraction_us);
        }
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour @ 1..=12)) => hour % 12 + if self.afternoon { 12 } else { 0 },
            (None, Some(_)) => return None,
            (None, None) => 0,
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let exists = (1..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !exists {
            return None;
        }
        let days = days_from_civil(self.year, self.month, self.day);
        let unix_s = days * DAY_S + hour * 3_600 + minute * 60 + second - self.offset_s;
        Some(unix_s * 1_000_000 + fraction_us)
    }

    /// The precision of the text.
    pub(super) fn open(&self) -> Duration {
        let open_s = if self.fraction_us.is_some() {
            0
        } else if self.second.is_some() || self.epoch_us.is_some() {
            1
        } else if self.minute.is_some() {
            60
        } else if self.hour.is_some() || self.hour12.is_some() {
            3_600
        } else {
            86_400
        };
        Duration::from_secs(open_s)
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar: years start in March, so that the leap day is the last
/// of a year, and 400 years are one era of 146,097 days (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Exactly `width` digits.
pub(super) fn fixed(rest: &mut &str, width: usize) -> Option<i64> {
    let digits = rest.get(..width)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *rest = &rest[width..];
    digits.parse().ok()
}

/// One to `width_max` digits (at most 18).
pub(super) fn up_to(rest: &mut &str, width_max: usize) -> Option<i64> {
    let width = rest.bytes().take_while(u8::is_ascii_digit).count();
    if width == 0 || width > width_max {
        return None;
    }
    fixed(rest, width)
}

/// An optional fraction of a second, in µs; digits after the sixth are cut. `None` for a point without digits.
pub(super) fn fraction_us(rest: &mut &str) -> Option<Option<i64>> {
    let Some(tail) = rest.strip_prefix(['.', ',']) else {
        return Some(None);
    };
    let width = tail.bytes().take_while(u8::is_ascii_digit).count();
    if width == 0 {
        return None;
    }
    let digits = tail.bytes().chain(std::iter::repeat(b'0'));
    let in_width = |(i, byte): (usize, u8)| if i < width { byte } else { b'0' };
    let fraction_us = digits
        .enumerate()
        .map(in_width)
        .take(6)
        .fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    *rest = &tail[width..];
    Some(Some(fraction_us))
}

/// `Z`, `+hh:mm` or `+hhmm`, in seconds east of UTC.
pub(super) fn offset_s(rest: &mut &str) -> Option<i64> {
    if let Some(tail) = rest.strip_prefix(['Z', 'z']) {
        *rest = tail;
        return Some(0);
    }
    let sign = match rest.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let hours = fixed(rest, 2)?;
    *rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = fixed(rest, 2)?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}
