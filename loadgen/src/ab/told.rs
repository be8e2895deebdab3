//! What is told of an experiment while it is under way, on standard error: a line a block that stays, and in a terminal a moving one.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::order::{BLOCK_RUNS, Side};
use super::stopping::{Course, Limits};
use loadgen_report::compare::{Comparison, FigureComparison, Role, Scale};

/// The display.
pub(super) struct Told {
    bar: ProgressBar,
}

impl Told {
    pub(super) fn new() -> Self {
        // indicatif itself draws nothing where there is no terminal.
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    pub(super) fn warming(&self, side: Side) {
        self.bar.set_message(format!(
            "warm-up: a run of {}, which is discarded",
            side.letter()
        ));
    }

    pub(super) fn running(&self, block: u32, place: usize, side: Side, limits: &Limits) {
        self.bar.set_message(format!(
            "block {block} of at most {}, run {place} of {BLOCK_RUNS}: {}",
            limits.blocks_max,
            side.letter()
        ));
    }

    /// A block is done; what all of them together say so far.
    pub(super) fn block(&self, course: &Course, limits: &Limits, so_far: Option<&Comparison>) {
        let mut line = format!("block {} of at most {}", course.blocks, limits.blocks_max);
        let figures = so_far.into_iter().flat_map(leading);
        for figure in figures.take(3) {
            line += &format!(", {} {}", figure.name, effect(figure));
        }
        let left = limits.left(course).as_secs();
        self.say(&format!("{line}, at most {left} s left"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The figures that lead, or those that decide where none leads.
pub(super) fn leading(comparison: &Comparison) -> impl Iterator<Item = &FigureComparison> {
    let figures = &comparison.figures;
    let role = match figures.iter().any(|f| f.role == Role::Leads) {
        true => Role::Leads,
        false => Role::Decides,
    };
    figures.iter().filter(move |f| f.role == role)
}

/// `B/A 1.02 (0.99–1.05)`.
fn effect(figure: &FigureComparison) -> String {
    let what = match figure.scale {
        Scale::Ratio => "B/A",
        Scale::Difference => "B−A",
    };
    let interval = figure.effect.low.zip(figure.effect.high);
    let interval = interval.map_or_else(String::new, |(l, h)| format!(" ({l:.3}–{h:.3})"));
    format!("{what} {:.3}{interval}", figure.effect.estimate)
}
