//! The panels that are tables: errors, steps, thresholds and the log.

use program_terminal::visible;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use crate::live::run_progress::RunProgress;
use loadgen_engine::record::Times;
use loadgen_report::units::{count, time};

/// Smallest width of the table of steps: six figures of nine columns, a name, and the frame.
pub const STEPS_WIDTH_MIN: u16 = 78;

fn header<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).style(Style::new().add_modifier(Modifier::BOLD))
}

fn table<'a>(rows: Vec<Row<'a>>, widths: &[Constraint], head: Row<'a>, title: String) -> Table<'a> {
    Table::new(rows, widths.to_vec())
        .header(head)
        .block(Block::bordered().title(title))
}

/// Draws the errors by kind, the most frequent first, each with its latest example.
pub fn errors(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
    let all: u64 = progress.errors.values().map(|e| e.count).sum();
    let title = format!(" errors {} ", count(all));
    if progress.errors.is_empty() {
        let block = Block::bordered().title(title);
        return frame.render_widget(Paragraph::new("none").block(block), area);
    }
    let mut errors: Vec<_> = progress.errors.iter().collect();
    errors.sort_by_key(|(_, e)| std::cmp::Reverse(e.count));
    let rows = errors.into_iter().map(|((step, kind), error)| {
        // What a server answers may turn text around.
        let shown = |text: &str| visible(&text.replace('\n', " ")).into_owned();
        Row::new([
            shown(step),
            shown(kind),
            count(error.count),
            shown(&error.example),
        ])
    });
    let widths = [
        Constraint::Max(20),
        Constraint::Max(22),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let head = header(["step", "kind", "count", "latest"]);
    frame.render_widget(table(rows.collect(), &widths, head, title), area);
}

/// Draws the response time of each step since the warm-up.
pub fn steps(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
    let cell = |times: &Times, q: f64| match times.0.is_empty() {
        true => "–".to_owned(),
        false => time(times.0.value_at_quantile(q) as f64),
    };
    let steps = progress.plan.steps.iter().zip(&progress.steps);
    let rows = steps.map(|(name, step)| {
        Row::new([
            name.clone(),
            count(step.count),
            count(step.errors),
            cell(&step.response_time, 0.5),
            cell(&step.response_time, 0.99),
            cell(&step.response_time, 1.0),
            cell(&step.service_time, 0.99),
        ])
    });
    let mut widths = vec![Constraint::Fill(1)];
    widths.resize(7, Constraint::Length(9));
    let head = header(["step", "count", "errors", "p50", "p99", "max", "service"]);
    let title = " response time of good answers by step (service: service time, p99) ".to_owned();
    frame.render_widget(table(rows.collect(), &widths, head, title), area);
}

/// Draws the state of the thresholds.
pub fn thresholds(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
    let rows = progress.threshold_states.iter().map(|threshold_state| {
        let (word, colour) = match threshold_state.holds {
            Some(true) => ("holds", Color::Green),
            Some(false) => ("missed", Color::Red),
            None => ("open", Color::Gray),
        };
        Row::new([
            Cell::new(word).style(Style::new().fg(colour)),
            Cell::new(threshold_state.threshold.clone()),
            Cell::new(threshold_state.figure.clone()),
        ])
    });
    let widths = [
        Constraint::Length(6),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ];
    let head = header(["", "threshold", "so far"]);
    let title = " thresholds, as if the run ended now ".to_owned();
    frame.render_widget(table(rows.collect(), &widths, head, title), area);
}

/// Draws the log, the latest line at the end.
pub fn log(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
    let block = Block::bordered().title(" log ");
    let room = usize::from(block.inner(area).height);
    let first = progress.news.len().saturating_sub(room);
    let lines = progress.news[first..].iter().map(|(at, text)| {
        let at = at.map_or_else(String::new, |at| format!("{:.1} s", at.as_secs_f64()));
        Line::from(format!("{at:>9}  {text}"))
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}
