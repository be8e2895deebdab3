//! The lines above and below the panels: the run, its progress and rate, and the verdict so far.

use std::time::Duration;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::live::course::{Course, Phase};
use crate::render::{count, time};

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

fn whole_seconds(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=599 => format!("{seconds} s"),
        600..=35_999 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The phase of the run in words.
fn phase(course: &Course) -> String {
    match &course.phase {
        Phase::Preparing(what) => format!("set-up: {what}"),
        Phase::Running => running(course),
        Phase::Draining => "draining: waiting for journeys in flight".to_owned(),
        Phase::Settling => "waiting for the target's backlog".to_owned(),
        Phase::Auditing(0) => "audit: waiting until nothing is in flight".to_owned(),
        Phase::Auditing(events) => format!("audit: {} events read", count(*events)),
        Phase::TearingDown => "tear-down".to_owned(),
        Phase::Over => "over".to_owned(),
    }
}

fn running(course: &Course) -> String {
    let elapsed = course.elapsed().unwrap_or_default();
    let mut text = whole_seconds(elapsed);
    if let Some(duration) = course.plan.duration {
        text += &format!(" of {}", whole_seconds(duration));
    }
    if let Some((stage, of)) = course.stage().filter(|(_, of)| *of > 1) {
        text += &format!("  stage {stage} of {of}");
    }
    if elapsed < course.plan.warm_up {
        text += "  warm-up";
    }
    match (course.held, course.left()) {
        (Some((since, rate)), _) => {
            text += &format!("  HELD at {rate:.1}/s since {:.0} s", since.as_secs_f64());
        }
        (None, Some(left)) => text += &format!("  {} left", whole_seconds(left)),
        (None, None) => {}
    }
    text
}

/// Journeys a second in the last complete interval, and the rate that was asked for.
fn rates(course: &Course) -> (Option<f64>, Option<f64>) {
    let points = course.series.points.iter().enumerate().rev();
    let interval_s = course.series.interval_s;
    let mut reached = points.filter_map(|(i, p)| {
        // The mean of a linearly changing rate is the rate in the middle of the interval.
        let at = Duration::from_secs_f64((i as f64 + 0.5) * interval_s as f64);
        Some((at, p.per_s(p.started as f64, interval_s)?))
    });
    match reached.next() {
        Some((at, rate)) => (Some(rate), course.asked(at)),
        None => (None, None),
    }
}

fn rate(course: &Course) -> String {
    match rates(course) {
        (Some(rate), Some(asked)) => format!("{rate:.0}/s of {asked:.0} asked"),
        (Some(rate), None) => format!("{rate:.0}/s"),
        _ => "–/s".to_owned(),
    }
}

fn errors(course: &Course) -> Span<'static> {
    let errors: u64 = course.errors.values().map(|e| e.count).sum();
    match errors {
        0 => Span::raw("errors 0"),
        n => Span::styled(format!("errors {}", count(n)), Style::new().fg(Color::Red)),
    }
}

fn verdict(course: &Course) -> (Span<'static>, Vec<String>) {
    let (result, reasons) = course.verdict();
    let colour = match result {
        "PASS" => Color::Green,
        "FAIL" => Color::Red,
        _ => Color::Yellow,
    };
    let unknown = course.judged.is_none() && course.response_time.0.is_empty();
    let text = match (course.judged.is_some(), unknown) {
        (true, _) => result.to_owned(),
        (false, true) => "no samples yet".to_owned(),
        (false, false) => format!("{result} so far"),
    };
    let style = Style::new().add_modifier(Modifier::BOLD);
    let style = if unknown { style } else { style.fg(colour) };
    (Span::styled(text, style), reasons)
}

fn quantile(course: &Course, q: f64) -> String {
    match course.response_time.0.is_empty() {
        true => "–".to_owned(),
        false => time(course.response_time.0.value_at_quantile(q) as f64),
    }
}

/// The three lines at the top.
pub fn lines(course: &Course) -> Vec<Line<'static>> {
    let plan = &course.plan;
    let stopping = if course.stopping { "  STOPPING" } else { "" };
    let (verdict, reasons) = verdict(course);
    let open = course
        .standings
        .iter()
        .filter(|s| s.holds.is_none())
        .count();
    let mut third = vec![verdict, Span::raw("  ")];
    match (reasons.is_empty(), course.standings.len()) {
        (false, _) => third.push(Span::raw(reasons.join("; "))),
        (true, 0) => {}
        (true, all) => {
            let open = match open {
                0 => String::new(),
                n => format!(", {n} of them decided at the end"),
            };
            third.push(Span::raw(format!("{all} thresholds{open}")));
        }
    }
    vec![
        Line::from(vec![
            bold(plan.scenario.clone()),
            Span::raw("  "),
            Span::raw(phase(course)),
            bold(stopping),
            Span::raw(format!("  {}", plan.target)),
        ]),
        Line::from(vec![
            bold(rate(course)),
            Span::raw(format!(
                "  done {}  in flight {}  ",
                count(course.journeys.completed),
                course.in_flight
            )),
            errors(course),
            Span::raw(format!(
                "  response p50 {} p99 {}",
                quantile(course, 0.5),
                quantile(course, 0.99)
            )),
        ]),
        Line::from(third),
    ]
}

/// The most important figures, for a terminal too small for anything else.
pub fn figures(course: &Course) -> Vec<Line<'static>> {
    let (verdict, _) = verdict(course);
    let shown = match course.phase {
        Phase::Running => course.elapsed().map(whole_seconds).unwrap_or_default(),
        _ => phase(course),
    };
    vec![
        Line::from(vec![
            bold(course.plan.scenario.clone()),
            Span::raw(format!(" {shown}")),
        ]),
        Line::from(rate(course)),
        Line::from(format!("p99 {}", quantile(course, 0.99))),
        Line::from(errors(course)),
        Line::from(verdict),
    ]
}

/// The keys that work now.
pub fn keys(course: &Course) -> &'static str {
    let can_hold = !course.plan.stages.is_empty() && course.phase == Phase::Running;
    match (course.stopping, can_hold, course.held.is_some()) {
        (true, _, _) => {
            " stopping; q or Ctrl-C: stop at once, without a report   Tab page   ? help"
        }
        (false, true, true) => " p continue   q end and report   Tab page   ? help",
        (false, true, false) => " p hold the rate   q end and report   Tab page   ? help",
        (false, false, _) => " q end and report   Tab page   ? help",
    }
}
