//! How long a fault affects response time. The seconds before the fault define a band; recovered means back within it. Pure
//! arithmetic on recorded figures.

use std::time::Duration;

/// How many seconds in a row within the band count as recovered: a single one may be chance.
const WITHIN_ROW: usize = 2;
/// The band's upper bound is at least this many times the median of the seconds before.
const BAND_FACTOR: f64 = 2.0;

/// The 99th percentile of response time, second by second.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    seconds: Vec<Second>,
}

#[derive(Debug, Clone, Copy)]
struct Second {
    start_s: f64,
    end_s: f64,
    /// `None` if no request was completed in this second.
    p99_us: Option<f64>,
}

/// The effect of a fault on response time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impact {
    /// The band's upper bound: up to here p99 is as before the fault.
    pub band_us: f64,
    /// The highest p99 of a second from the fault until the recovery.
    pub worst_us: f64,
    /// Time from the fault until p99 was back within the band, in seconds, to the second. `None` if that never happened.
    pub recovery_s: Option<f64>,
}

impl Recovery {
    /// Adds a second's figure.
    pub fn second(&mut self, start: Duration, length: Duration, p99_us: Option<f64>) {
        self.seconds.push(Second {
            start_s: start.as_secs_f64(),
            end_s: (start + length).as_secs_f64(),
            p99_us,
        });
    }

    /// The effect of the fault at `at_s`; `None` if nothing was measured before the first fault at `first_s`. Only seconds before `arrivals_end_s`
    /// count: while journeys drain, there is no load to recover under.
    pub fn impact(&self, first_s: f64, at_s: f64, arrivals_end_s: f64) -> Option<Impact> {
        let before = self.seconds.iter().filter(|s| s.end_s <= first_s);
        let mut before: Vec<f64> = before.filter_map(|s| s.p99_us).collect();
        before.sort_by(f64::total_cmp);
        let (median, highest) = (before.get(before.len() / 2)?, before.last()?);
        let band_us = highest.max(median * BAND_FACTOR);
        let since: Vec<&Second> = self
            .seconds
            .iter()
            .filter(|s| s.end_s > at_s && s.start_s < arrivals_end_s)
            .collect();
        let within = |s: &&Second| s.p99_us.is_some_and(|p99| p99 <= band_us);
        let left = since.iter().position(|s| !within(s));
        let Some(left) = left else {
            // No effect at all.
            let worst = since.iter().filter_map(|s| s.p99_us);
            return Some(Impact {
                band_us,
                worst_us: worst.fold(0.0, f64::max),
                recovery_s: Some(0.0),
            });
        };
        let row = since[left..].windows(WITHIN_ROW);
        let mut row = row.zip(left..);
        let back = row.find(|(row, _)| row.iter().all(within)).map(|(_, i)| i);
        let impact = &since[..back.unwrap_or(since.len())];
        let worst = impact.iter().filter_map(|s| s.p99_us);
        Some(Impact {
            band_us,
            worst_us: worst.fold(0.0, f64::max),
            recovery_s: back.map(|i| (since[i].start_s - at_s).max(0.0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(p99s_ms: &[f64]) -> Recovery {
        let mut recovery = Recovery::default();
        for (i, ms) in p99s_ms.iter().enumerate() {
            let p99 = (*ms > 0.0).then_some(ms * 1e3);
            let start = Duration::from_secs(i as u64);
            recovery.second(start, Duration::from_secs(1), p99);
        }
        recovery
    }

    #[test]
    fn recovered_is_who_is_back_within_the_band_for_two_seconds() {
        // 0 stands for a second in which nothing was completed.
        let rows: [(&str, &[f64], f64, Option<f64>); 6] = [
            ("not felt", &[10.0, 12.0, 11.0, 14.0, 10.0], 3.0, Some(0.0)),
            (
                "felt for a second",
                &[10.0, 12.0, 11.0, 900.0, 12.0, 11.0],
                3.0,
                Some(1.0),
            ),
            (
                "silence is no recovery",
                &[10.0, 12.0, 11.0, 0.0, 900.0, 9.0, 9.0],
                3.0,
                Some(2.0),
            ),
            (
                "one good second is luck",
                &[10.0, 12.0, 900.0, 9.0, 800.0, 9.0, 9.0],
                2.0,
                Some(3.0),
            ),
            ("never", &[10.0, 12.0, 900.0, 800.0, 900.0], 2.0, None),
            (
                "within a second",
                &[10.0, 12.0, 11.0, 900.0, 9.0, 9.0],
                3.5,
                Some(0.5),
            ),
        ];
        for (name, p99s, at_s, expected) in rows {
            let recovery = seconds(p99s);
            let impact = recovery.impact(at_s, at_s, 100.0);
            assert_eq!(impact.and_then(|f| f.recovery_s), expected, "{name}");
        }
        let impact = seconds(&[10.0, 12.0, 11.0, 900.0, 12.0, 11.0]).impact(3.0, 3.0, 100.0);
        let impact = impact.map(|f| (f.band_us, f.worst_us));
        assert_eq!(
            impact,
            Some((22_000.0, 900_000.0)),
            "twice the median; the worst"
        );
    }

    #[test]
    fn without_a_second_before_the_fault_nobody_knows() {
        assert_eq!(seconds(&[900.0, 10.0]).impact(0.5, 0.5, 100.0), None);
        assert_eq!(seconds(&[]).impact(3.0, 3.0, 100.0), None);
    }
}
