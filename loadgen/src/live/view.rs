//! The layout of the screen for each size. Draws the state of a run; keeps nothing and decides nothing.

mod chart;
mod header;
mod panel;
mod tables;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Tabs, Wrap};

use super::run_progress::RunProgress;
use panel::{PANEL_WIDTH_MIN, Panel};

/// Smallest readable height of a plot.
const PANEL_HEIGHT_MIN: u16 = 8;
/// More plots side by side are not readable.
const COLUMNS_MAX: u16 = 3;
/// Smallest terminal for the whole layout; below it only a few figures are shown.
const WIDTH_MIN: u16 = 48;
const HEIGHT_MIN: u16 = 12;

/// A page of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named as they are shown
pub enum Tab {
    Overview,
    Times,
    Events,
    Machine,
    Errors,
    Thresholds,
    Log,
}

/// What the user has selected.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The selected page.
    pub tab: Tab,
    /// Whether the help is shown.
    pub help: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            tab: Tab::Overview,
            help: false,
        }
    }
}

impl Tab {
    /// All pages in their order.
    pub const ALL: [Self; 7] = [
        Self::Overview,
        Self::Times,
        Self::Events,
        Self::Machine,
        Self::Errors,
        Self::Thresholds,
        Self::Log,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Times => "times",
            Self::Events => "events",
            Self::Machine => "machine",
            Self::Errors => "errors",
            Self::Thresholds => "thresholds",
            Self::Log => "log",
        }
    }

    /// The page's index in [`Self::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|t| *t == self).unwrap_or(0)
    }

    /// The page `by` pages further, wrapping around.
    #[must_use]
    pub fn further(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % Self::ALL.len()]
    }

    /// The page's panels, the most important first, because a small screen has no room for all.
    fn panels(self) -> &'static [Panel] {
        match self {
            Self::Overview => &[
                Panel::ResponseTime,
                Panel::Throughput,
                Panel::EndToEnd,
                Panel::EventLag,
                Panel::Cpu,
                Panel::Backlog,
                Panel::InFlight,
                Panel::Slip,
                Panel::Errors,
            ],
            Self::Times => &[Panel::ResponseTime, Panel::EndToEnd, Panel::Steps],
            Self::Events => &[Panel::EventLag, Panel::Backlog],
            Self::Machine => &[Panel::Cpu, Panel::Slip, Panel::InFlight, Panel::Throughput],
            Self::Errors => &[Panel::Errors],
            Self::Thresholds => &[Panel::Thresholds],
            Self::Log => &[Panel::Log],
        }
    }
}

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, progress: &RunProgress, view: View) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let lines = header::figures(progress);
        return frame.render_widget(Paragraph::new(lines), area);
    }
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(header::lines(progress)), head);
    let names = Tab::ALL.iter().enumerate();
    let names = names.map(|(i, tab)| format!("{} {}", i + 1, tab.name()));
    let tabs_shown = Tabs::new(names)
        .select(view.tab.index())
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .divider("");
    frame.render_widget(tabs_shown, tabs);
    grid(frame, body, progress, view.tab.panels());
    let keys = Line::styled(
        header::keys(progress),
        Style::new().add_modifier(Modifier::DIM),
    );
    frame.render_widget(Paragraph::new(keys), foot);
    if view.help {
        help(frame, area, progress);
    }
}

/// Draws as many panels as fit, each as large as possible.
fn grid(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress, panels: &[Panel]) {
    let rows = usize::from((area.height / PANEL_HEIGHT_MIN).max(1));
    let lines = lines(area.width, panels);
    let lines = &lines[..lines.len().min(rows)];
    let split = Layout::vertical(vec![Constraint::Fill(1); lines.len()]).split(area);
    for (line, row) in lines.iter().zip(split.iter()) {
        let cells = Layout::horizontal(vec![Constraint::Fill(1); line.len()]).split(*row);
        for (panel, cell) in line.iter().zip(cells.iter()) {
            panel.draw(frame, *cell, progress);
        }
    }
}

/// Arranges panels in rows; a panel that needs more width has its own row.
fn lines(width: u16, panels: &[Panel]) -> Vec<Vec<Panel>> {
    let columns = (width / PANEL_WIDTH_MIN).clamp(1, COLUMNS_MAX);
    let columns = columns.min(panels.len() as u16).max(1);
    let fits = |panel: &Panel| panel.width_min() <= width / columns;
    let mut lines: Vec<Vec<Panel>> = Vec::new();
    for panel in panels {
        match lines.last_mut() {
            Some(line)
                if line.len() < usize::from(columns) && line.iter().all(fits) && fits(panel) =>
            {
                line.push(*panel);
            }
            _ => lines.push(vec![*panel]),
        }
    }
    lines
}

fn help(frame: &mut Frame<'_>, area: Rect, progress: &RunProgress) {
    let hold = match progress.plan.stages.is_empty() {
        false => {
            "p          hold the current arrival rate; again: continue the schedule, that much later. The report says so."
        }
        true => "p          (only a schedule of rates can be held)",
    };
    let lines = [
        "q, Ctrl-C  end the run now: wait for journeys in flight, write the report",
        "           again: stop at once, without a report",
        hold,
        "1 … 7      a page; Tab, → and ← the next and the previous one",
        "?          this help; any key closes it",
        "",
        "Plots of times have a logarithmic axis. Thresholds are shown for the run so far; the verdict is in the report.",
    ];
    let width = area.width.min(84);
    let height = area.height.min(13);
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let text = Paragraph::new(lines.map(Line::from).to_vec())
        .wrap(Wrap { trim: false })
        .block(Block::bordered().title(" keys "));
    frame.render_widget(text, place);
}
