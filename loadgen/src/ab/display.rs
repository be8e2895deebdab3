//! The progress of an experiment on standard error: one line for each block, and in a terminal a status line.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::order::Side;
use super::stopping::{ExperimentProgress, StoppingRule};
use crate::terminal;
use loadgen_report::compare::{Comparison, FigureComparison, Role, Scale};

/// The progress display.
pub(super) struct ExperimentDisplay {
    bar: ProgressBar,
}

impl ExperimentDisplay {
    pub(super) fn new() -> Self {
        // indicatif draws nothing without a terminal.
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Prints a line above the status line.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| terminal::note(line));
    }

    pub(super) fn warming(&self, side: Side) {
        self.bar.set_message(format!(
            "warm-up: a run of {}, which will be discarded",
            side.letter()
        ));
    }

    pub(super) fn running(&self, block: u32, place: usize, side: Side, limits: &StoppingRule) {
        self.bar.set_message(format!(
            "block {block} of at most {}, run {place} of {}: {}",
            limits.blocks_max,
            limits.block_runs,
            side.letter()
        ));
    }

    /// Prints the result of all blocks so far, after each block.
    pub(super) fn block(
        &self,
        progress: &ExperimentProgress,
        limits: &StoppingRule,
        so_far: &[Comparison],
    ) {
        let mut line = format!("block {} of at most {}", progress.blocks, limits.blocks_max);
        for (comparison, side) in so_far.iter().zip(&Side::ALL[1..]) {
            for figure in leading(comparison).take(3) {
                line += &format!(", {} {}", figure.name, effect(figure, *side));
            }
        }
        let left = limits.left(progress).as_secs();
        self.say(&format!("{line}, at most {left} s left"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The leading figures, or the deciding ones if none leads.
pub(super) fn leading(comparison: &Comparison) -> impl Iterator<Item = &FigureComparison> {
    let figures = &comparison.figures;
    let role = match figures.iter().any(|f| f.role == Role::Leads) {
        true => Role::Leads,
        false => Role::Decides,
    };
    figures.iter().filter(move |f| f.role == role)
}

/// An effect with its interval, such as `B/A 1.02 (0.99–1.05)`.
fn effect(figure: &FigureComparison, side: Side) -> String {
    let sign = match figure.scale {
        Scale::Ratio => '/',
        Scale::Difference => '−',
    };
    let what = format!("{}{sign}{}", side.letter(), Side::A.letter());
    if figure.is_from_zero() {
        return format!("{what} from 0");
    }
    let interval = figure.effect.low.zip(figure.effect.high);
    let interval = interval.map_or_else(String::new, |(l, h)| format!(" ({l:.3}–{h:.3})"));
    format!("{what} {:.3}{interval}", figure.effect.estimate)
}
