//! Parses the `Server-Timing` header: a server's own times of one answer. Pure.

/// The most parts kept of one answer, because the header is untrusted.
const PARTS_MAX: usize = 16;
/// Longest name kept, in characters.
const NAME_CHARS_MAX: usize = 40;
/// The longest duration accepted: an hour. Longer ones are errors.
const DURATION_MS_MAX: f64 = 3_600_000.0;

/// The parts that have a duration, in the header's order, in microseconds. Malformed parts are left out.
pub fn parse(header: &str) -> Vec<(String, i64)> {
    let parts = header.split(',').filter_map(|part| {
        let mut fields = part.split(';').map(str::trim);
        let name = fields.next().filter(|name| !name.is_empty())?;
        let duration_ms: f64 = fields.find_map(|field| {
            let (key, value) = field.split_once('=')?;
            let value = value.trim().trim_matches('"');
            let is_duration = key.trim().eq_ignore_ascii_case("dur");
            is_duration.then(|| value.parse().ok()).flatten()
        })?;
        let name = name.chars().take(NAME_CHARS_MAX).collect();
        (duration_ms.abs() <= DURATION_MS_MAX).then(|| (name, (duration_ms * 1e3).round() as i64))
    });
    parts.take(PARTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_with_a_duration_are_taken_in_order_and_the_rest_is_left() {
        let rows: [(&str, &[(&str, i64)]); 8] = [
            ("queue;dur=1.234", &[("queue", 1_234)]),
            (
                "gateway;dur=0.1, queue;dur=-0.5,handler ; dur=\"2\"",
                &[("gateway", 100), ("queue", -500), ("handler", 2_000)],
            ),
            ("db;desc=\"Data base\";DUR=53", &[("db", 53_000)]),
            ("cache;desc=hit, miss", &[]),
            ("a;dur=x, b;dur=", &[]),
            ("a;dur=inf, b;dur=NaN, c;dur=1e99", &[]),
            (";dur=1", &[]),
            ("", &[]),
        ];
        for (header, expected) in rows {
            let found = parse(header);
            let found: Vec<(&str, i64)> = found.iter().map(|(n, d)| (n.as_str(), *d)).collect();
            assert_eq!(found, expected, "{header}");
        }
    }

    #[test]
    fn a_header_without_end_is_cut() {
        let long = "x;dur=1,".repeat(1_000);
        assert_eq!(parse(&long).len(), PARTS_MAX);
    }
}
