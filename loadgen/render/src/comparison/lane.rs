//! The lanes of a forest plot: a figure's interval and the noise band, all figures of a table on one scale. They are cells of a table, so
//! that names stay readable on every screen.

use std::fmt::Write as _;

use loadgen_report::compare::{Comparison, FigureComparison, Scale};

use crate::quantity::change;

/// Width and height of a lane in its own units; the page stretches it.
const LANE: (f64, f64) = (400.0, 22.0);
/// Smallest and largest change that half a lane's width stands for, in logarithms.
const REACH: (f64, f64) = (0.1, 0.7);
/// The difference that half a lane's width stands for, for an error rate.
const REACH_DIFFERENCE: f64 = 0.01;

/// The scale of a table's lanes, in logarithms.
pub struct Lanes {
    /// How far they reach to either side.
    reach: f64,
    /// How far the noise band does.
    band: f64,
}

/// The logarithm of a ratio; of one that is not above 0, that of the smallest number, which is beyond every scale.
fn logarithm(ratio: f64) -> f64 {
    ratio.max(f64::MIN_POSITIVE).ln()
}

impl Lanes {
    /// A scale that is wide enough for these figures' intervals.
    pub fn new(figures: &[&FigureComparison], comparison: &Comparison) -> Self {
        let ratios = figures.iter().filter(|f| f.scale == Scale::Ratio);
        let ends = ratios.flat_map(|f| [Some(f.effect.estimate), f.effect.low, f.effect.high]);
        let farthest = ends.flatten().map(|e| logarithm(e).abs());
        let band = (1.0 + comparison.noise_band).ln();
        let reach = farthest
            .fold(REACH.0.max(2.0 * band), f64::max)
            .min(REACH.1.max(2.0 * band));
        Self { reach, band }
    }

    /// The range of the lanes, in words.
    pub fn scale(&self) -> String {
        let [from, to] = [-self.reach, self.reach].map(|end| change(Scale::Ratio, end.exp()));
        format!("{from} … {to}")
    }

    /// A figure's lane as SVG, which holds numbers only and needs no escaping.
    pub fn lane(&self, figure: &FigureComparison) -> String {
        let (width, height) = LANE;
        let middle = height / 2.0;
        let share = |effect: f64| match figure.scale {
            Scale::Ratio => logarithm(effect) / self.reach,
            Scale::Difference => effect / REACH_DIFFERENCE,
        };
        let x = |share: f64| (width / 2.0) * (1.0 + share.clamp(-1.0, 1.0));
        let of_band = match figure.scale {
            Scale::Ratio => self.band / self.reach,
            Scale::Difference => 0.001 / REACH_DIFFERENCE,
        };
        let (from, to) = (x(-of_band), x(of_band));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"band\" x=\"{from:.1}\" y=\"1\" width=\"{:.1}\" height=\"{}\"/><line class=\"none\" x1=\"{}\" x2=\"{}\" y1=\"0\" y2=\"{height}\"/>",
            to - from,
            height - 2.0,
            width / 2.0,
            width / 2.0
        );
        if let Some((low, high)) = figure.effect.low.zip(figure.effect.high) {
            let (low, high) = (x(share(low)), x(share(high)));
            write!(
            svg,
            "<line class=\"interval\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>"
        )
        .expect("writing to a String cannot fail");
        }
        let at = x(share(figure.effect.estimate));
        write!(
            svg,
            "<rect class=\"estimate\" x=\"{:.1}\" y=\"{}\" width=\"6\" height=\"12\"/></svg>",
            at - 3.0,
            middle - 6.0
        )
        .expect("writing to a String cannot fail");
        svg
    }
}
