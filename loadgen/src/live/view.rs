//! The screen's layout: what stands where at which size. Draws a course as it is; keeps nothing and decides nothing.

mod chart;
mod header;
mod panel;
mod tables;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Tabs, Wrap};

use super::course::Course;
use panel::Panel;

/// A plot narrower than this is not readable; more of them side by side than `COLUMNS_MAX` neither.
const PANEL_WIDTH_MIN: u16 = 38;
const PANEL_HEIGHT_MIN: u16 = 8;
const COLUMNS_MAX: u16 = 3;
/// Below this there is room for a few figures and nothing else.
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

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The page.
    pub tab: Tab,
    /// Whether the keys are explained.
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
    /// In their order.
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

    /// Its place among them.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|t| *t == self).unwrap_or(0)
    }

    /// So many further, round and round.
    #[must_use]
    pub fn further(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % Self::ALL.len()]
    }

    /// The most telling panels first: a small screen has no room for the others.
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

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, course: &Course, view: View) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let lines = header::figures(course);
        return frame.render_widget(Paragraph::new(lines), area);
    }
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(header::lines(course)), head);
    let names = Tab::ALL.iter().enumerate();
    let names = names.map(|(i, tab)| format!("{} {}", i + 1, tab.name()));
    let tabs_shown = Tabs::new(names)
        .select(view.tab.index())
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .divider("");
    frame.render_widget(tabs_shown, tabs);
    grid(frame, body, course, view.tab.panels());
    let keys = Line::styled(
        header::keys(course),
        Style::new().add_modifier(Modifier::DIM),
    );
    frame.render_widget(Paragraph::new(keys), foot);
    if view.help {
        help(frame, area, course);
    }
}

/// As many panels as have room, each as large as it can be.
fn grid(frame: &mut Frame<'_>, area: Rect, course: &Course, panels: &[Panel]) {
    let rows = usize::from((area.height / PANEL_HEIGHT_MIN).max(1));
    let lines = lines(area.width, panels);
    let lines = &lines[..lines.len().min(rows)];
    let split = Layout::vertical(vec![Constraint::Fill(1); lines.len()]).split(area);
    for (line, row) in lines.iter().zip(split.iter()) {
        let cells = Layout::horizontal(vec![Constraint::Fill(1); line.len()]).split(*row);
        for (panel, cell) in line.iter().zip(cells.iter()) {
            panel.draw(frame, *cell, course);
        }
    }
}

/// Panels side by side; one that would not be readable there has a line of its own.
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

fn help(frame: &mut Frame<'_>, area: Rect, course: &Course) {
    let hold = match course.plan.stages.is_empty() {
        false => {
            "p          hold the arrival rate as it is now; once more: the schedule goes on, so much later. The report tells of it."
        }
        true => "p          (only a schedule of rates can be held)",
    };
    let lines = [
        "q, Ctrl-C  end the run now: journeys in flight are waited for, the report is written",
        "           once more: leave at once, without a report",
        hold,
        "1 … 7      a page; Tab, → and ← the next and the last one",
        "?          these lines; any key takes them away",
        "",
        "Times over the run are on a logarithmic axis. What is said of thresholds is said of the run so far; the verdict is the report's.",
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
