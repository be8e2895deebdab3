//! A plot over the time of the run. The title is the legend: each curve's name in its colour, with the last value.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

use loadgen_report::units::{count, time};

/// Smallest height for a plot; below it only the title is drawn.
const PLOT_HEIGHT_MIN: u16 = 4;
/// Shortest time axis, in seconds.
const SPAN_MIN_S: f64 = 10.0;

/// The unit of a plot's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartUnit {
    /// Microseconds, drawn on a logarithmic axis.
    Time,
    /// A number, drawn from 0.
    Count,
    /// Percent of a core, drawn from 0.
    Percent,
}

/// A curve of a plot.
pub struct Curve {
    pub name: String,
    pub colour: Color,
    /// Points of time, in seconds after the start of the run, and value.
    pub points: Vec<(f64, f64)>,
}

/// Colours that can be told apart on a dark and on a light background.
pub const COLOURS: [Color; 7] = [
    Color::Cyan,
    Color::Magenta,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Red,
    Color::Gray,
];

impl ChartUnit {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Time => value.max(1.0).log10(),
            Self::Count | Self::Percent => value,
        }
    }

    /// Formats a value with its unit.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Time => time(value),
            Self::Count if value < 10.0 && value.fract() != 0.0 => format!("{value:.1}"),
            Self::Count => count(value.round() as u64),
            Self::Percent => format!("{value:.0} %"),
        }
    }

    /// The bounds of the axis and its labels.
    fn axis(self, values: impl Iterator<Item = f64>) -> ([f64; 2], Vec<String>) {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        match self {
            Self::Time => {
                let low = if low.is_finite() { low } else { 1.0 };
                let bottom = self.place(low).floor();
                let top = self.place(high).ceil().max(bottom + 1.0);
                let marks = (bottom as i32..=top as i32).map(|p| time(10_f64.powi(p)));
                ([bottom, top], marks.collect())
            }
            Self::Count | Self::Percent => {
                let top = round_up(high.max(1.0));
                let marks = [0.0, top / 2.0, top].map(|v| self.text(v));
                ([0.0, top], marks.to_vec())
            }
        }
    }
}

/// Rounds up to 1, 2, 4, 5, 6 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.iter().find(|s| *s * power >= value * 0.999_999);
    step.unwrap_or(&10.0) * power
}

/// The titles with the plot's name and each curve's last value: as many as fit at the top, the others at the bottom.
fn titles(
    name: &str,
    curves: &[Curve],
    unit: ChartUnit,
    width: u16,
) -> (Line<'static>, Line<'static>) {
    let mut spans = vec![Span::raw(format!(" {name} "))];
    for curve in curves {
        let last = curve.points.last();
        let last = last.map_or_else(|| "–".to_owned(), |(_, v)| unit.text(*v));
        let text = match curve.name.is_empty() {
            true => format!("{last} "),
            false => format!("{} {last} ", curve.name),
        };
        spans.push(Span::styled(text, Style::new().fg(curve.colour)));
    }
    let mut used = 0;
    let on_top = spans.iter().take_while(|span| {
        used += span.width();
        used <= usize::from(width)
    });
    let below = spans.split_off(on_top.count().max(1));
    (Line::from(spans), Line::from(below))
}

/// Draws the plot into the area, from the start of the run to `end_s` seconds after it.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    curves: &[Curve],
    unit: ChartUnit,
    end_s: f64,
) {
    let (top, bottom) = titles(name, curves, unit, area.width.saturating_sub(2));
    let block = Block::bordered().title(top).title_bottom(bottom);
    let nothing = curves.iter().all(|c| c.points.is_empty());
    if nothing || block.inner(area).height < PLOT_HEIGHT_MIN {
        let text = if nothing { "nothing yet" } else { "" };
        return frame.render_widget(Paragraph::new(text).block(block), area);
    }
    let all = || curves.iter().flat_map(|c| c.points.iter());
    let end = end_s.max(SPAN_MIN_S);
    let (bounds, marks) = unit.axis(all().map(|p| p.1));
    let placed: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|c| c.points.iter().map(|(x, y)| (*x, unit.place(*y))).collect())
        .collect();
    let datasets = curves.iter().zip(&placed).map(|(curve, points)| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(curve.colour))
            .data(points)
    });
    let chart = Chart::new(datasets.collect())
        .block(block)
        .x_axis(
            Axis::default()
                .bounds([0.0, end])
                .labels(["0 s".to_owned(), format!("{end:.0} s")]),
        )
        .y_axis(Axis::default().bounds(bounds).labels(marks))
        .legend_position(None);
    frame.render_widget(chart, area);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_above_everything_drawn() {
        for (highest, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (37.0, 40.0),
            (101.0, 200.0),
            (800.0, 800.0),
        ] {
            let (bounds, marks) = ChartUnit::Count.axis([highest].into_iter());
            assert_eq!(bounds, [0.0, top], "{highest}");
            assert_eq!(marks.len(), 3);
        }
        let (bounds, marks) = ChartUnit::Time.axis([120.0, 45_000.0].into_iter());
        assert_eq!(bounds, [2.0, 5.0]);
        assert_eq!(marks, ["100 µs", "1.00 ms", "10.0 ms", "100 ms"]);
    }
}
