//! The date of a cookie's `Expires`, in whatever form servers write it (RFC 6265, 5.1.1). Must not know what it is for.

use std::str::FromStr;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The same date as `01 Jan 2019 00:00:00 GMT`; `None` if it is none.
pub(super) fn normalised(text: &str) -> Option<String> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter =
        |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !c.is_ascii_control() && c != ':';
    for token in text.split(|c| c == '\t' || is_delimiter(c)) {
        // The first token that can be one is it.
        if time.is_none() && clock(token).is_some() {
            time = clock(token);
        } else if day.is_none() && number::<u8>(token, 1..=2).is_some() {
            day = number::<u8>(token, 1..=2);
        } else if month.is_none() && month_name(token).is_some() {
            month = month_name(token);
        } else if year.is_none() {
            year = number::<u16>(token, 2..=4);
        }
    }
    let ((hour, minute, second), day, month) = (time?, day?, month?);
    let year = match year? {
        year @ 0..=69 => year + 2_000,
        year @ 70..=99 => year + 1_900,
        year => year,
    };
    let exists = (1..=31).contains(&day) && year > 1_600 && hour < 24 && minute < 60 && second < 60;
    exists.then(|| format!("{day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT"))
}

/// The number that a token begins with, of so many digits.
fn number<N: FromStr>(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<N> {
    let end = token.find(|c: char| !c.is_ascii_digit());
    let number = &token[..end.unwrap_or(token.len())];
    number
        .parse()
        .ok()
        .filter(|_| digits.contains(&number.len()))
}

fn clock(token: &str) -> Option<(u8, u8, u8)> {
    let mut parts = token.splitn(3, ':');
    let mut whole = || {
        let part = parts.next()?;
        number(part, part.len()..=2)
    };
    let (hour, minute) = (whole()?, whole()?);
    Some((hour, minute, number(parts.next()?, 1..=2)?))
}

fn month_name(token: &str) -> Option<&'static str> {
    let begins = |name: &&&str| {
        let first = token.get(..3);
        first.is_some_and(|first| first.eq_ignore_ascii_case(name))
    };
    MONTHS.iter().find(begins).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_servers_write_it() {
        for text in [
            "Tue, 01 Jan 2019 02:03:04 GMT",
            "Tue, 01 Jan 2019 02:03:04 UTC",
            "Tue, 01 Jan 2019 02:03:04 +0000",
            "tue, 01 jan 2019 02:03:04 gmt",
            "Tuesday, 1-January-19 2:3:4 GMT",
            "Tue Jan  1 02:03:04 2019",
            "2019 02:03:04 JAN 1st",
        ] {
            let date = normalised(text);
            assert_eq!(date.as_deref(), Some("01 Jan 2019 02:03:04 GMT"), "{text}");
        }
        let last_century = normalised("Thu, 01-Jan-70 00:00:01 GMT");
        assert_eq!(last_century.as_deref(), Some("01 Jan 1970 00:00:01 GMT"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Tue, 01 Jan 2019",
            "Tue, 32 Jan 2019 00:00:00 GMT",
            "Tue, 01 Jan 2019 24:00:00 GMT",
            "Tue, 01 Jan 2019 00:60:00 GMT",
            "Tue, 01 Jän 2019 00:00:00 GMT",
            "Tue, 01 Jan 1600 00:00:00 GMT",
            "Tue, 01 Jan 20190 00:00:00 GMT",
            "Tue, 01 Jan 2019 000:00:00 GMT",
        ] {
            assert_eq!(normalised(text), None, "{text}");
        }
    }
}
