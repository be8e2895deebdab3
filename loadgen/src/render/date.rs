//! Converts Unix time to dates.

/// Year, month, day, hour, minute and second in UTC, by Hinnant's algorithm `civil_from_days`.
pub fn utc(seconds: u64) -> [u64; 6] {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [
        year,
        month,
        day,
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
    ]
}

/// The time as text, such as `2026-01-31 23:59:59 UTC`.
pub fn shown(unix_s: f64) -> String {
    let [year, month, day, hour, minute, second] = utc(unix_s.max(0.0) as u64);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
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
