//! The time before which orders are archived: a time, a day, or an age.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// A time in the past, µs since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before(pub u64);

impl FromStr for Before {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now = Timestamp::now();
        let time = match age(text) {
            Some(age) => now.checked_sub(SignedDuration::from_secs(age)).ok(),
            None => time(text),
        };
        let time = time.ok_or(
            "write an age, such as 90d, 12h, 30m or 45s; a day, such as 2026-01-31 (its first moment, UTC); or a time, such as 2026-01-31T08:30:00Z",
        )?;
        if time > now {
            return Err("it is in the future; only what is over can be archived".to_owned());
        }
        u64::try_from(time.as_microsecond())
            .map(Self)
            .map_err(|_| "it is before 1970".to_owned())
    }
}

/// An age in seconds.
fn age(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    Some(i64::from(count) * unit)
}

fn time(text: &str) -> Option<Timestamp> {
    // A day has no `T`.
    let day = || format!("{text}T00:00:00Z").parse();
    text.parse().or_else(|_| day()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_ages_are_times_in_the_past() {
        assert_eq!("1970-01-02".parse(), Ok(Before(86_400_000_000)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Before(1_000_000)));
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap();
        let day: Before = "1d".parse().unwrap();
        let since = now - 86_400_000_000;
        assert!((since..since + 60_000_000).contains(&day.0), "{day:?}");
    }

    #[test]
    fn what_is_no_time_in_the_past_is_refused_with_what_is_right() {
        for (bad, words) in [
            ("2999-01-01", "in the future"),
            ("1969-12-31", "before 1970"),
            ("", "90d"),
            ("90", "90d"),
            ("-1d", "90d"),
            ("1w", "90d"),
            ("2026-13-01", "90d"),
            ("yesterday", "90d"),
        ] {
            let error = bad.parse::<Before>().unwrap_err();
            assert!(error.contains(words), "{bad}: {error}");
        }
    }
}
