//! Axes: the place of each value, and the tick labels. Pure arithmetic; every label has its unit.

use loadgen_report::units::{count, time};

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AxisScale {
    /// Seconds since the start of the run, linear.
    Clock,
    /// Microseconds, logarithmic.
    Micros,
    /// An amount from 0, linear, with its unit.
    Amount(&'static str),
    /// Quantiles q as log10(1 / (1 − q)): each further nine has the same width.
    Nines,
}

/// An axis from one place to another; `place` converts a value to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The place of the start.
    pub from: f64,
    /// The place of the end.
    pub to: f64,
    scale: AxisScale,
}

/// Tick steps of a time axis, in seconds.
const CLOCK_STEPS_S: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    21_600.0, 86_400.0,
];

impl Axis {
    /// The time axis of a run of this length.
    pub fn clock(length_s: f64) -> Self {
        Self {
            from: 0.0,
            to: length_s.max(1.0),
            scale: AxisScale::Clock,
        }
    }

    /// A logarithmic axis that contains all these times, in microseconds.
    pub fn micros(times: impl Iterator<Item = f64>) -> Self {
        let (min, max) = times.fold((f64::INFINITY, 1.0_f64), |(min, max), t| {
            (min.min(t.max(1.0)), max.max(t))
        });
        // At least half a decade, because a shorter axis would show the noise of a flat line.
        let to = (max.log10() + 0.05).max(0.5);
        let from = (min.min(max).log10() - 0.05).min(to - 0.5).max(0.0);
        Self {
            from,
            to,
            scale: AxisScale::Micros,
        }
    }

    /// A linear axis from 0 to the largest of these values; `unit` follows every number.
    pub fn amount(values: impl Iterator<Item = f64>, unit: &'static str) -> Self {
        let max = values.fold(0.0, f64::max);
        Self {
            from: 0.0,
            to: if max > 0.0 { max * 1.06 } else { 1.0 },
            scale: AxisScale::Amount(unit),
        }
    }

    /// An axis of quantiles up to the highest one that this many samples can tell.
    pub fn nines(samples: u64) -> Self {
        let nines = (samples.max(10) as f64).log10().min(6.0);
        Self {
            from: 0.0,
            to: nines,
            scale: AxisScale::Nines,
        }
    }

    /// The place of a value.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            AxisScale::Clock | AxisScale::Amount(_) => value,
            AxisScale::Micros => value.max(1.0).log10(),
            AxisScale::Nines => -(1.0 - value).max(1e-9).log10(),
        };
        place.clamp(self.from, self.to)
    }

    /// The places and labels of the ticks, about `number_max` at most.
    pub fn ticks(&self, number_max: usize) -> Vec<(f64, String)> {
        let span = self.to - self.from;
        match self.scale {
            AxisScale::Clock => {
                let fits = |step: &&f64| span / **step <= number_max as f64;
                let step = CLOCK_STEPS_S.iter().find(fits).unwrap_or(&86_400.0);
                let label = |s: f64| clock_tick(s, self.to, *step);
                steps(self.to, *step).map(|s| (s, label(s))).collect()
            }
            AxisScale::Amount(unit) => {
                let step = round_step(span / number_max as f64);
                let label = |v: f64| format!("{}{unit}", amount(v, step));
                steps(self.to, step).map(|v| (v, label(v))).collect()
            }
            AxisScale::Micros => self.decades(number_max),
            AxisScale::Nines => {
                let all = self.to as usize + 1;
                let each = all.div_ceil(number_max).max(1);
                let nines = (0..all).step_by(each);
                nines.map(|n| (n as f64, percentile(n))).collect()
            }
        }
    }

    /// Ticks at 1, 10, 100 …; over a short range also at 2 and 5 of each.
    fn decades(&self, number_max: usize) -> Vec<(f64, String)> {
        let span = self.to - self.from;
        let factors: &[f64] = match span {
            s if s * 3.0 <= number_max as f64 + 1.0 => &[1.0, 2.0, 5.0],
            s if s * 2.0 <= number_max as f64 + 1.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = (self.from.floor() as i32)..=(self.to.ceil() as i32);
        let values = powers.flat_map(|p| factors.iter().map(move |f| f * 10_f64.powi(p)));
        values
            .map(|v| (v.log10(), short_time(v)))
            .filter(|(at, _)| (self.from..=self.to).contains(at))
            .collect()
    }
}

fn steps(to: f64, step: f64) -> impl Iterator<Item = f64> {
    let number = (to / step + 1e-9).floor() as u64;
    (0..=number).map(move |i| i as f64 * step)
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not smaller.
fn round_step(at_least: f64) -> f64 {
    let power = 10_f64.powf(at_least.max(1e-9).log10().floor());
    let fits = [1.0, 2.0, 5.0, 10.0].map(|f| f * power);
    fits.into_iter()
        .find(|s| *s >= at_least * 0.999)
        .unwrap_or(10.0 * power)
}

fn amount(value: f64, step: f64) -> String {
    match step {
        s if s >= 1.0 => count(value.round() as u64),
        s => format!("{value:.*}", (-s.log10()).ceil().max(0.0) as usize),
    }
}

/// Formats a time of a run: seconds up to two minutes, then minutes, then hours.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match whole {
        0..120 => format!("{whole} s"),
        120..3_600 => format!("{minutes}:{seconds:02} min"),
        _ => format!("{hours}:{minutes:02}:{seconds:02} h"),
    }
}

/// Formats a tick label in the unit that fits the end of the axis, so that all labels have the same unit.
fn clock_tick(seconds: f64, end_s: f64, step_s: f64) -> String {
    let whole = seconds.round() as u64;
    match end_s {
        ..120.0 => format!("{whole} s"),
        ..7_200.0 if step_s % 60.0 == 0.0 => format!("{} min", whole / 60),
        ..7_200.0 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3_600, whole / 60 % 60),
    }
}

/// Formats a round time without decimals.
fn short_time(micros: f64) -> String {
    match micros {
        t if t < 1_000.0 => time(t),
        t if t < 1e6 => format!("{} ms", (t / 1e3).round()),
        t => format!("{} s", (t / 1e6).round()),
    }
}

/// The label of a number of nines: 0 %, 90 %, 99 %, 99.9 %, …
fn percentile(nines: usize) -> String {
    match nines {
        0 => "0 %".into(),
        1 => "90 %".into(),
        2 => "99 %".into(),
        n => format!("99.{} %", "9".repeat(n - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, number: usize) -> Vec<String> {
        axis.ticks(number).into_iter().map(|(_, l)| l).collect()
    }

    #[test]
    fn ticks_are_round_numbers_with_units_and_no_more_than_there_is_room_for() {
        let to = |max: f64, unit| Axis::amount([max].into_iter(), unit);
        assert_eq!(
            labels(Axis::clock(40.0), 5),
            ["0 s", "10 s", "20 s", "30 s", "40 s"]
        );
        assert_eq!(labels(Axis::clock(600.0), 3), ["0 min", "5 min", "10 min"]);
        assert_eq!(labels(to(190.0, " %"), 4), ["0 %", "100 %", "200 %"]);
        assert_eq!(
            labels(to(2.0, "/s"), 5),
            ["0.0/s", "0.5/s", "1.0/s", "1.5/s", "2.0/s"]
        );
        assert_eq!(
            labels(Axis::micros([900.0, 110_000.0].into_iter()), 5),
            ["1 ms", "3 ms", "10 ms", "30 ms", "100 ms"]
        );
    }

    #[test]
    fn a_moment_is_told_in_the_unit_that_fits_it() {
        for (seconds, told) in [
            (0.0, "0 s"),
            (119.0, "119 s"),
            (150.0, "2:30 min"),
            (7_384.0, "2:03:04 h"),
        ] {
            assert_eq!(clock(seconds), told);
        }
        assert_eq!(
            labels(Axis::clock(7_200.0), 3),
            ["0:00 h", "1:00 h", "2:00 h"]
        );
    }

    #[test]
    fn each_nine_takes_the_same_room_and_there_are_as_many_as_the_samples_can_tell() {
        let axis = Axis::nines(2_000);
        assert_eq!(labels(axis, 9), ["0 %", "90 %", "99 %", "99.9 %"]);
        for (quantile, place) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0)] {
            assert!((axis.place(quantile) - place).abs() < 1e-9);
        }
        assert_eq!(axis.place(1.0), axis.to);
        assert_eq!(
            labels(Axis::nines(1_000_000), 4),
            ["0 %", "99 %", "99.99 %", "99.9999 %"]
        );
    }

    #[test]
    fn an_axis_without_values_still_has_a_length() {
        for axis in [
            Axis::micros(std::iter::empty()),
            Axis::amount(std::iter::empty(), ""),
            Axis::clock(0.0),
            Axis::nines(0),
        ] {
            assert!(axis.to > axis.from, "{axis:?}");
            assert!(!axis.ticks(5).is_empty(), "{axis:?}");
        }
    }
}
