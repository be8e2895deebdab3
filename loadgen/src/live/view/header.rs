//! The lines above and below the panels: the run, its progress and rate, and the verdict so far.

use std::time::Duration;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::live::run_progress::{Phase, RunProgress};
use loadgen_report::units::{count, time};

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
fn phase(progress: &RunProgress) -> String {
    match &progress.phase {
        Phase::Preparing(what) => format!("set-up: {what}"),
        Phase::Running => running(progress),
        Phase::Draining => "draining: waiting for journeys in flight".to_owned(),
        Phase::Settling => "waiting for the target's backlog".to_owned(),
        Phase::Auditing(0) => "audit: waiting until nothing is in flight".to_owned(),
        Phase::Auditing(events) => format!("audit: {} events read", count(*events)),
        Phase::TearingDown => "tear-down".to_owned(),
        Phase::Over => "over".to_owned(),
    }
}

fn running(progress: &RunProgress) -> String {
    let elapsed = progress.elapsed().unwrap_or_default();
    let mut text = whole_seconds(elapsed);
    if let Some(duration) = progress.plan.duration {
        text += &format!(" of {}", whole_seconds(duration));
    }
    if let Some((stage, of)) = progress.stage().filter(|(_, of)| *of > 1) {
        text += &format!("  stage {stage} of {of}");
    }
    if elapsed < progress.plan.warm_up {
        text += "  warm-up";
    }
    match (progress.held, progress.left()) {
        (Some((since, rate)), _) => {
            text += &format!("  HELD at {rate:.1}/s since {:.0} s", since.as_secs_f64());
        }
        (None, Some(left)) => text += &format!("  {} left", whole_seconds(left)),
        (None, None) => {}
    }
    text
}

/// Journeys a second in the last complete interval, and the rate that was asked for.
fn rates(progress: &RunProgress) -> (Option<f64>, Option<f64>) {
    let points = progress.series.points.iter().enumerate().rev();
    let interval_s = progress.series.interval_s;
    let mut reached = points.filter_map(|(i, p)| {
        // The mean of a linearly changing rate is the rate in the middle of the interval.
        let at = Duration::from_secs_f64((i as f64 + 0.5) * interval_s as f64);
        Some((at, p.per_s(p.started as f64, interval_s)?))
    });
    match reached.next() {
        Some((at, rate)) => (Some(rate), progress.asked(at)),
        None => (None, None),
    }
}

fn rate(progress: &RunProgress) -> String {
    match rates(progress) {
        (Some(rate), Some(asked)) => format!("{rate:.0}/s of {asked:.0} asked"),
        (Some(rate), None) => format!("{rate:.0}/s"),
        _ => "–/s".to_owned(),
    }
}

fn errors(progress: &RunProgress) -> Span<'static> {
    let errors: u64 = progress.errors.values().map(|e| e.count).sum();
    match errors {
        0 => Span::raw("errors 0"),
        n => Span::styled(format!("errors {}", count(n)), Style::new().fg(Color::Red)),
    }
}

fn verdict(progress: &RunProgress) -> (Span<'static>, Vec<String>) {
    let (result, reasons) = progress.verdict();
    let colour = match result {
        "PASS" => Color::Green,
        "FAIL" => Color::Red,
        _ => Color::Yellow,
    };
    let unknown = progress.judged.is_none() && progress.response_time.0.is_empty();
    let text = match (progress.judged.is_some(), unknown) {
        (true, _) => result.to_owned(),
        (false, true) => "no samples yet".to_owned(),
        (false, false) => format!("{result} so far"),
    };
    let style = Style::new().add_modifier(Modifier::BOLD);
    let style = if unknown { style } else { style.fg(colour) };
    (Span::styled(text, style), reasons)
}

fn quantile(progress: &RunProgress, q: f64) -> String {
    match progress.response_time.0.is_empty() {
        true => "–".to_owned(),
        false => time(progress.response_time.0.value_at_quantile(q) as f64),
    }
}

/// The three lines at the top.
pub fn lines(progress: &RunProgress) -> Vec<Line<'static>> {
    let plan = &progress.plan;
    let stopping = if progress.stopping { "  STOPPING" } else { "" };
    let (verdict, reasons) = verdict(progress);
    let completed = progress.workloads.iter().map(|w| w.journeys.completed);
    let open = progress
        .threshold_states
        .iter()
        .filter(|s| s.holds.is_none())
        .count();
    let mut third = vec![verdict, Span::raw("  ")];
    match (reasons.is_empty(), progress.threshold_states.len()) {
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
            Span::raw(phase(progress)),
            bold(stopping),
            Span::raw(format!("  {}", plan.target)),
        ]),
        Line::from(vec![
            bold(rate(progress)),
            Span::raw(format!(
                "  done {}  in flight {}  ",
                count(completed.sum()),
                progress.in_flight
            )),
            errors(progress),
            Span::raw(format!(
                "  response p50 {} p99 {}",
                quantile(progress, 0.5),
                quantile(progress, 0.99)
            )),
        ]),
        Line::from(third),
    ]
}

/// The most important figures, for a terminal too small for anything else.
pub fn figures(progress: &RunProgress) -> Vec<Line<'static>> {
    let (verdict, _) = verdict(progress);
    let shown = match progress.phase {
        Phase::Running => progress.elapsed().map(whole_seconds).unwrap_or_default(),
        _ => phase(progress),
    };
    vec![
        Line::from(vec![
            bold(progress.plan.scenario.clone()),
            Span::raw(format!(" {shown}")),
        ]),
        Line::from(rate(progress)),
        Line::from(format!("p99 {}", quantile(progress, 0.99))),
        Line::from(errors(progress)),
        Line::from(verdict),
    ]
}

/// The keys that work now.
pub fn keys(progress: &RunProgress) -> &'static str {
    let can_hold = !progress.plan.stages.is_empty() && progress.phase == Phase::Running;
    match (progress.stopping, can_hold, progress.held.is_some()) {
        (true, _, _) => {
            " stopping; q or Ctrl-C: stop at once, without a report   Tab page   ? help"
        }
        (false, true, true) => " p continue   q end and report   Tab page   ? help",
        (false, true, false) => " p hold the rate   q end and report   Tab page   ? help",
        (false, false, _) => " q end and report   Tab page   ? help",
    }
}
