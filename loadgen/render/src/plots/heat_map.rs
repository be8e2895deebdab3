//! The heat map of response times: a cell for each time interval and range of response times, shaded by the logarithm of its count, so that
//! a few slow requests are visible beside many fast ones.

use std::collections::BTreeMap;

use super::axis::{Axis, clock};
use super::charts::{Chart, TimePlots};
use super::colour::HEAT;
use super::plot::{HeatCell, PlotSize, Strip};
use super::timeline::{BINS_PER_DECADE, SlotTimeline};
use loadgen_report::units::{count, time};

/// Rows listed on hovering; further ones are summed up.
const ROWS_SAID_MAX: usize = 8;

/// The bounds of a row, in microseconds.
fn bounds(row: i32) -> (f64, f64) {
    let bound = |r: i32| 10_f64.powf(f64::from(r) / BINS_PER_DECADE);
    (bound(row), bound(row + 1))
}

/// The shade of a count if the largest count is `most`: 1 has the first shade, `most` the last.
fn level(number: u64, most: u64) -> usize {
    let (number, most) = (number as f64, most as f64);
    let steps = (HEAT.len() - 1) as f64;
    match most > 1.0 {
        true => ((number.ln() / most.ln() * steps).round() as usize).min(HEAT.len() - 1),
        false => HEAT.len() - 1,
    }
}

/// The heat map for a frame's size, and the count that its last shade stands for.
pub fn chart(time_plots: &TimePlots<'_>, timeline: &SlotTimeline, frame: PlotSize) -> (Chart, u64) {
    let slots_each = timeline.heat.len().div_ceil(frame.heat_columns_max).max(1);
    let columns: Vec<BTreeMap<i32, u64>> = timeline
        .heat
        .chunks(slots_each)
        .map(|slots| {
            let mut column = BTreeMap::new();
            for (row, number) in slots.iter().flatten() {
                *column.entry(*row).or_default() += number;
            }
            column
        })
        .collect();
    let all = || columns.iter().flatten();
    let most = all().map(|(_, number)| *number).max().unwrap_or(0);
    let y = Axis::micros(all().flat_map(|(row, _)| [bounds(*row).0, bounds(*row).1]));
    let mut plot = time_plots.heat_plot(y);
    let column_s = (slots_each as u64 * timeline.slot_s) as f64;
    for (i, column) in columns.iter().enumerate() {
        let x = (i as f64 * column_s, (i + 1) as f64 * column_s);
        plot.cells
            .extend(column.iter().map(|(row, number)| HeatCell {
                x,
                y: bounds(*row),
                level: level(*number, most),
            }));
        plot.strips.push(Strip {
            x,
            text: format!("{} to {}{}", clock(x.0), clock(x.1), said(column)),
        });
    }
    let chart = Chart {
        id: "heat-map",
        title: "Response times: heat map".into(),
        note: "Requests answered as expected, by time and response time; the shade shows the logarithm of their number."
            .into(),
        plot,
    };
    (chart, most)
}

/// The counts of a column in words, the slowest rows first, because these matter most.
fn said(column: &BTreeMap<i32, u64>) -> String {
    let mut rows = column.iter().rev();
    let mut text = String::new();
    for (row, number) in rows.by_ref().take(ROWS_SAID_MAX) {
        let (from, to) = bounds(*row);
        text += &format!("\n{} to {}: {}", time(from), time(to), count(*number));
    }
    let rest: u64 = rows.map(|(_, number)| number).sum();
    if rest > 0 {
        text += &format!("\nfaster: {}", count(rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_is_the_lightest_shade_and_the_most_the_darkest() {
        let darkest = HEAT.len() - 1;
        for (number, most, expected) in [
            (1, 10_000, 0),
            (100, 10_000, 4),
            (10_000, 10_000, darkest),
            (1, 1, darkest),
        ] {
            assert_eq!(level(number, most), expected, "{number} of {most}");
        }
    }
}
