//! Converts Unix time to dates.

use jiff::Timestamp;

/// The time as text, such as `2026-01-31 23:59:59 UTC`.
pub fn shown(unix_s: f64) -> String {
    let second = Timestamp::from_second(unix_s as i64).unwrap_or(Timestamp::UNIX_EPOCH);
    second.strftime("%F %T UTC").to_string()
}

/// The time in ISO 8601, such as `2026-01-31T23:59:59`, in UTC.
pub fn iso(unix_s: f64) -> String {
    let second = Timestamp::from_second(unix_s as i64).unwrap_or(Timestamp::UNIX_EPOCH);
    second.strftime("%FT%T").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_and_turns_of_the_year_are_where_they_belong() {
        for (unix_s, expected) in [
            (0.0, "1970-01-01 00:00:00 UTC"),
            (951_827_696.0, "2000-02-29 12:34:56 UTC"),
            (1_767_225_599.0, "2025-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(shown(unix_s), expected);
        }
    }
}
