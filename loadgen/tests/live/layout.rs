//! Tests the screen at several sizes, drawn from a sequence of events.

use std::time::{Duration, Instant, SystemTime};

use loadgen::live::{RunProgress, Tab, View, draw};
use loadgen::run_event::{Observed, PlannedWorkload, RunEvent, RunPlan};
use loadgen_engine::drive::Interval;
use loadgen_engine::record::Figures;
use loadgen_engine::record::series::{GroupPoint, Observation};
use loadgen_engine::scrape::LagStatistics;
use loadgen_report::ThresholdState;
use loadgen_scenario::Stage;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// A second of a run that begins at `start`, s.
fn second_of(start: u64, figures: Figures, in_flight: usize, started: u64) -> RunEvent {
    RunEvent::Interval(Box::new(Interval {
        start: Duration::from_secs(start),
        length: Duration::from_secs(1),
        figures,
        in_flight,
        started,
        traces: Vec::new(),
        agents_cpu_pct: Vec::new(),
    }))
}

/// The state of a run after twenty seconds, with two groups, one awaited state and an error.
fn progress() -> RunProgress {
    let mut progress = RunProgress::default();
    let stage = |from, to| Stage {
        duration: Duration::from_secs(30),
        from,
        to,
    };
    progress.event(&RunEvent::Announced(Box::new(RunPlan {
        scenario: "checkout".into(),
        target: "http://127.0.0.1:5000".into(),
        drivers: 1,
        duration: Some(Duration::from_secs(60)),
        stages: vec![stage(0.0, 100.0), stage(100.0, 100.0)],
        steps: vec!["create order".into()],
        awaits: vec!["IN_STOCK".into()],
        slip_p99_max: Duration::from_millis(50),
        dropped_pct_max: 0.1,
        ..RunPlan::default()
    })));
    progress.event(&RunEvent::Started {
        at: Instant::now() - Duration::from_secs(20),
        wall_clock: SystemTime::now(),
    });
    for second in 0..20 {
        let mut figures = Figures::new(1, 1, 1);
        let time = Duration::from_millis(second + 2);
        figures.steps[0].count = 50;
        figures.steps[0].response_time.record(time);
        figures.awaits[0].end_to_end.record(time * 3);
        figures.started(0, Duration::from_micros(40));
        figures.counts(0).started = 50;
        figures.counts(0).completed = 49;
        if second == 5 {
            figures.error("create order", "status 500", "told to fail".into());
        }
        progress.event(&second_of(second, figures, 7, 50));
        let group = |name: &str, backlog| {
            let point = GroupPoint {
                backlog,
                handled: 10,
                lag_p50_us: 900.0,
                lag_p99_us: 4_000.0,
            };
            (name.to_owned(), point)
        };
        progress.event(&RunEvent::Observed(Box::new(Observed {
            at: Duration::from_secs(second),
            observation: Observation {
                cpu_pct: vec![("redis-server".into(), 21.0)],
                groups: vec![group("crm-service", 3), group("order-service", 40)],
            },
            drivers_cpu_pct: vec![12.0],
            lag: LagStatistics::default(),
            backlog: Some(43),
            threshold_states: vec![
                standing("p(99) < 20ms", Some(true)),
                standing("backlog_end == 0", None),
            ],
        })));
    }
    progress
}

fn standing(threshold: &str, holds: Option<bool>) -> ThresholdState {
    ThresholdState {
        threshold: threshold.into(),
        figure: "it was 21 ms".into(),
        holds,
        aborts: false,
    }
}

fn drawn(progress: &RunProgress, view: View, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, progress, view)).unwrap();
    terminal.backend().to_string()
}

fn page(tab: Tab) -> View {
    View { tab, help: false }
}

fn assert_shows(screen: &str, texts: &[&str]) {
    for text in texts {
        assert!(screen.contains(text), "`{text}` is missing:\n{screen}");
    }
}

#[test]
fn eighty_columns_have_the_head_the_pages_four_plots_and_the_keys() {
    let screen = drawn(&progress(), View::default(), 80, 24);
    assert_shows(
        &screen,
        &[
            "checkout  20 s of 60 s  stage 1 of 2  39 s left  http://127.0.0.1:5000",
            "50/s of 65 asked  done 980  in flight 7  errors 1  response p50",
            "PASS so far  2 thresholds, 1 of them decided at the end",
            "1 overview  2 times  3 events",
            "response p50 21.0 ms p90",
            "max 21.0 ms",
            "journeys a second asked 65",
            "started 50 done 49",
            "end to end, p99 IN_STOCK 63",
            "event lag, p99 crm 4.00 ms",
            "order 4.00 ms",
            "10.0 ms",
            "p hold the rate   q end and report",
        ],
    );
}

#[test]
fn a_large_screen_has_every_plot_at_once() {
    let screen = drawn(&progress(), View::default(), 200, 50);
    let titles = [
        "response p50",
        "journeys a second",
        "end to end",
        "event lag",
        "CPU redis-server 21 % driver 0 12 %",
        "backlog crm 3 order 40",
        "in flight 7",
        "slip p50 40 µs",
        "errors 1",
        "told to fail",
    ];
    assert_shows(&screen, &titles);
}

#[test]
fn several_workloads_have_curves_of_what_each_was_asked_and_did_and_are_judged_apart() {
    let stage = Stage {
        duration: Duration::from_secs(60),
        from: 50.0,
        to: 50.0,
    };
    let planned = |name: &str, stages: Vec<Stage>| PlannedWorkload {
        name: name.into(),
        stages,
    };
    let mut progress = RunProgress::default();
    progress.event(&RunEvent::Announced(Box::new(RunPlan {
        scenario: "shop".into(),
        workloads: vec![planned("reads", vec![stage]), planned("writes", Vec::new())],
        slip_p99_max: Duration::from_millis(50),
        dropped_pct_max: 1.0,
        ..RunPlan::default()
    })));
    progress.event(&RunEvent::Started {
        at: Instant::now(),
        wall_clock: SystemTime::now(),
    });
    let second = |progress: &mut RunProgress, start: u64, late: usize| {
        let mut figures = Figures::new(0, 0, 2);
        for workload in [0, 1] {
            figures.counts(workload).completed = 40 - 33 * workload as u64;
        }
        figures.started(late, Duration::from_millis(80));
        progress.event(&second_of(start, figures, 7, 47));
    };
    // Only an open workload has a schedule to be late for.
    second(&mut progress, 0, 1);
    let screen = drawn(&progress, View::default(), 240, 40);
    assert_shows(&screen, &["reads asked 50 reads 40 writes 7"]);
    assert_eq!(progress.verdict().0, "PASS");
    second(&mut progress, 1, 0);
    let (verdict, reasons) = progress.verdict();
    assert_eq!(verdict, "INVALID");
    assert!(reasons[0].contains("slip p99 of reads"), "{reasons:?}");
}

#[test]
fn a_tiny_screen_has_the_figures_alone() {
    let screen = drawn(&progress(), View::default(), 20, 5);
    assert_shows(
        &screen,
        &[
            "checkout 20 s",
            "50/s of 65 asked",
            "p99 21.0 ms",
            "errors 1",
            "PASS so far",
        ],
    );
    for (columns, rows) in [(1, 1), (48, 12), (47, 100), (300, 3)] {
        drawn(&progress(), View::default(), columns, rows);
    }
}

#[test]
fn every_page_shows_what_it_is_for_and_help_lies_over_it() {
    let progress = progress();
    for (tab, text) in [
        (Tab::Times, "create order"),
        (Tab::Events, "backlog crm 3 order 40"),
        (Tab::Machine, "driver 0 12 %"),
        (Tab::Errors, "status 500"),
        (Tab::Thresholds, "open"),
        (Tab::Log, "started"),
    ] {
        for columns in [80, 120, 160, 240] {
            assert_shows(&drawn(&progress, page(tab), columns, 40), &[text]);
        }
        assert_shows(&drawn(&progress, page(tab), 80, 24), &[text]);
    }
    let help = View {
        help: true,
        ..View::default()
    };
    assert_shows(
        &drawn(&progress, help, 80, 24),
        &["hold the current arrival rate", "stop at once"],
    );
}

#[test]
fn a_run_that_has_not_begun_is_drawn_too() {
    let screen = drawn(&RunProgress::default(), View::default(), 80, 24);
    assert_shows(&screen, &["set-up", "nothing yet", "no samples yet"]);
}

#[test]
fn a_hold_a_missed_threshold_and_a_late_generator_are_seen_at_once() {
    let mut progress = progress();
    progress.event(&RunEvent::Held {
        at: Duration::from_secs(19),
        rate: 63.0,
    });
    let screen = drawn(&progress, View::default(), 100, 30);
    assert_shows(&screen, &["HELD at 63.0/s since 19 s", "p continue"]);

    progress.event(&RunEvent::Observed(Box::new(Observed {
        threshold_states: vec![standing("p(99) < 20ms", Some(false))],
        ..Observed::default()
    })));
    let screen = drawn(&progress, View::default(), 100, 30);
    assert_shows(&screen, &["FAIL so far  p(99) < 20ms: it was 21 ms"]);

    let mut figures = Figures::new(1, 1, 1);
    for _ in 0..100 {
        figures.started(0, Duration::from_millis(80));
    }
    progress.event(&second_of(20, figures, 7, 50));
    progress.event(&RunEvent::Stopping);
    let screen = drawn(&progress, View::default(), 100, 30);
    assert_shows(
        &screen,
        &[
            "INVALID so far  slip p99 80",
            "STOPPING",
            "without a report",
        ],
    );
}

#[test]
fn a_long_run_is_drawn_from_bounded_memory() {
    let mut progress = progress();
    for second in 20..5_000 {
        progress.event(&second_of(second, Figures::new(1, 1, 1), 1, 1));
    }
    assert!(progress.moments.len() <= 600, "{}", progress.moments.len());
    assert_eq!(progress.moments.len(), progress.series.points.len());
    let first = progress.moments[0].response_time.as_ref().unwrap();
    assert_eq!(
        (first.max / 1e3).round(),
        17.0,
        "the worst of its 16 seconds"
    );
    assert_shows(&drawn(&progress, page(Tab::Times), 80, 24), &["5008 s"]);
}

#[test]
fn what_a_server_answers_can_not_steer_the_screen() {
    let mut progress = progress();
    let mut figures = Figures::new(1, 1, 1);
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}";
    figures.error("create order", "status 502", format!("{evil}\nbye"));
    progress.event(&second_of(20, figures, 7, 50));

    let screen = drawn(&progress, page(Tab::Errors), 160, 48);

    assert_shows(&screen, &["status 502", "owned", "bye"]);
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!screen.contains(steers), "{screen:?}");
}
