//! Thresholds over windows of a run: the samples of each second are added to their window as they arrive, so that memory does not grow
//! with the number of samples. Must not know how a second was recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sample::MetricSample;
use loadgen_engine::record::Figures;
use loadgen_engine::scrape::Scrape;
use loadgen_scenario::Scenario;
use loadgen_scenario::threshold::{Threshold, Window};

/// Seconds that a window stays open after its end, because several recorders report the same second at different times.
const LATE_S: u64 = 3;
/// A window that ends this little after the last arrival still counts as before it, because timers are not exact.
const TOLERANCE: Duration = Duration::from_millis(50);

/// The windows of all thresholds that have windows.
#[derive(Debug)]
pub struct Windows {
    watched: Vec<Watched>,
    before: Scrape,
    /// The last second that is kept; later seconds belong to the drain.
    end_s: Option<u64>,
    newest_s: u64,
}

#[derive(Debug)]
struct Watched {
    /// Index into `Scenario::thresholds`.
    threshold: usize,
    window: Window,
    /// The first whole second that is recorded: a second that is partly warm-up belongs to the warm-up.
    from_s: u64,
    /// When the last journey is started, where the scenario says so.
    until: Option<Duration>,
    empty: MetricSample,
    /// Windows that are still open, by number; for `last` windows, seconds.
    open: BTreeMap<u64, MetricSample>,
    /// Number and figure of each closed window.
    closed: Vec<(u64, Option<f64>)>,
}

/// The worst window of a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// The worst figure; `None` if a window had no samples or if there is no window.
    pub figure: Option<f64>,
    /// Start and end of the window, in seconds after the start of the run.
    pub at: Option<(u64, u64)>,
}

impl Windows {
    /// The windows of a scenario's thresholds; `before` are the target's metrics before the workload.
    pub fn new(scenario: &Scenario, before: Scrape) -> Self {
        let windowed = scenario.thresholds.iter().enumerate();
        let windowed = windowed.filter(|(_, t)| t.window != Window::Run);
        let watched = windowed.map(|(threshold, t)| {
            let (from, until) = scenario.span_of(&t.metric);
            Watched {
                threshold,
                window: t.window,
                from_s: from.as_secs_f64().ceil() as u64,
                // All workloads together may be held, and end later.
                until: until.filter(|_| t.metric.workload().is_some()),
                empty: MetricSample::new(&t.metric, scenario),
                open: BTreeMap::new(),
                closed: Vec::new(),
            }
        });
        Self {
            watched: watched.collect(),
            before,
            end_s: None,
            newest_s: 0,
        }
    }

    /// Adds the figures of an interval, and the target's metrics at its end if there are any.
    pub fn interval(&mut self, figures: &Figures, start: Duration, now: Option<&Scrape>) {
        let second = start.as_secs();
        let late = self.end_s.is_some_and(|end| second > end);
        if !late {
            self.newest_s = self.newest_s.max(second);
        }
        let recorded = |watched: &&mut Watched| !late && second >= watched.from_s;
        for watched in self.watched.iter_mut().filter(recorded) {
            let number = match watched.window {
                Window::Every(length) => (second - watched.from_s) / length.as_secs(),
                Window::Run | Window::Last(_) => second,
            };
            let sample = watched
                .open
                .entry(number)
                .or_insert_with(|| watched.empty.emptied());
            sample.add(figures);
            if let Some(now) = now {
                sample.add_scrape(&self.before, now);
            }
        }
        if let Some(now) = now {
            self.before = now.clone();
        }
        let draining = self.end_s.is_some();
        for watched in &mut self.watched {
            watched.tidy(self.newest_s, draining);
        }
    }

    /// Marks the last arrival: seconds that are recorded from now on belong to the drain, except for late reports.
    pub fn draining(&mut self) {
        self.end_s.get_or_insert(self.newest_s + LATE_S);
    }

    /// The worst of a threshold's windows between the warm-up and the last arrival; `None` for a threshold without windows.
    pub fn worst(
        &self,
        index: usize,
        threshold: &Threshold,
        arrivals_end: Duration,
    ) -> Option<Worst> {
        let watched = self.watched.iter().find(|w| w.threshold == index)?;
        let end = watched
            .until
            .map_or(arrivals_end, |until| until.min(arrivals_end));
        let end_s = (end + TOLERANCE).as_secs();
        Some(match watched.window {
            Window::Every(length) => watched.worst_of_each(threshold, length.as_secs(), end_s),
            Window::Run | Window::Last(_) => watched.last(end_s),
        })
    }
}

impl Watched {
    fn tidy(&mut self, newest_s: u64, draining: bool) {
        // What came before the last journey of a workload is wanted until the end of the run.
        let end_s = self.until.map_or(u64::MAX, |until| until.as_secs() + 1);
        let newest_s = newest_s.min(end_s);
        match self.window {
            Window::Every(length) => {
                let length_s = length.as_secs();
                while let Some(first) = self.open.first_entry() {
                    if self.from_s + (first.key() + 1) * length_s + LATE_S > newest_s {
                        break;
                    }
                    let (number, sample) = first.remove_entry();
                    self.closed.push((number, figure(sample, length_s)));
                }
            }
            Window::Run | Window::Last(_) if draining => {}
            Window::Last(length) => {
                let oldest = newest_s.saturating_sub(length.as_secs() + LATE_S);
                self.open = self.open.split_off(&oldest);
            }
            Window::Run => {}
        }
    }

    fn worst_of_each(&self, threshold: &Threshold, length_s: u64, end_s: u64) -> Worst {
        let open = self
            .open
            .iter()
            .map(|(number, sample)| (*number, figure(sample.clone(), length_s)));
        let figures: BTreeMap<u64, Option<f64>> = self.closed.iter().copied().chain(open).collect();
        // A window that is not in the map recorded nothing, so it has no samples.
        let windows = end_s.saturating_sub(self.from_s) / length_s;
        let at = |number: u64| {
            Some((
                self.from_s + number * length_s,
                self.from_s + (number + 1) * length_s,
            ))
        };
        let mut worst = Worst {
            figure: None,
            at: None,
        };
        for number in 0..windows {
            let Some(figure) = figures.get(&number).copied().flatten() else {
                return Worst {
                    figure: None,
                    at: at(number),
                };
            };
            if worst
                .figure
                .is_none_or(|w| threshold.badness(figure) > threshold.badness(w))
            {
                worst = Worst {
                    figure: Some(figure),
                    at: at(number),
                };
            }
        }
        worst
    }

    fn last(&self, end_s: u64) -> Worst {
        let Window::Last(length) = self.window else {
            return Worst {
                figure: None,
                at: None,
            };
        };
        let Some(start_s) = end_s
            .checked_sub(length.as_secs())
            .filter(|s| *s >= self.from_s)
        else {
            return Worst {
                figure: None,
                at: None,
            };
        };
        let mut sample = self.empty.emptied();
        self.open
            .range(start_s..end_s)
            .for_each(|(_, second)| sample.join(second));
        Worst {
            figure: figure(sample, end_s - start_s),
            at: Some((start_s, end_s)),
        }
    }
}

fn figure(mut sample: MetricSample, length_s: u64) -> Option<f64> {
    sample.lengthen(Duration::from_secs(length_s));
    sample.figure()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(thresholds: &str) -> Scenario {
        let text = format!(
            "name = \"test\"\ndescription = \"d\"\nthresholds = [{thresholds}]\n[workload]\nkind = \"open\"\nrate = 1.0\nduration = \"60s\"\nwarm_up = \"2s\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/\" }}\n"
        );
        loadgen_scenario::read("test.toml", &text).unwrap()
    }

    /// Feeds seconds with one request each that took this many ms; 0 means no request.
    fn worst(threshold: &str, seconds: &[u64], arrivals_end_ms: u64) -> Worst {
        let scenario = scenario(&format!("'{threshold}'"));
        let mut windows = Windows::new(&scenario, Scrape::default());
        for (second, time_ms) in seconds.iter().enumerate() {
            if second as u64 == arrivals_end_ms / 1_000 {
                windows.draining();
            }
            let mut figures = Figures::new(1, 0, 1);
            if *time_ms > 0 {
                figures.steps[0].count = 1;
                figures.steps[0]
                    .response_time
                    .record(Duration::from_millis(*time_ms));
            }
            let start = Duration::from_secs(second as u64);
            windows.interval(&figures, start, None);
        }
        let end = Duration::from_millis(arrivals_end_ms);
        windows.worst(0, &scenario.thresholds[0], end).unwrap()
    }

    fn assert_worst(found: &Worst, figure_ms: Option<u64>, at: Option<(u64, u64)>) {
        let ms = found.figure.map(|f| (f / 1e3).round() as u64);
        assert_eq!((ms, found.at), (figure_ms, at));
    }

    #[test]
    fn every_window_after_the_warm_up_is_judged_and_the_worst_one_counts() {
        // Warm-up: 2 s. Windows: 2–4, 4–6, 6–8; what comes after the last arrival at 8 s is none.
        let seconds = [90, 90, 10, 10, 20, 30, 10, 10, 99, 99];
        let found = worst("max over 2s < 1s", &seconds, 8_003);
        assert_worst(&found, Some(30), Some((4, 6)));
    }

    #[test]
    fn many_windows_are_closed_as_they_go_by() {
        let mut seconds = vec![10; 40];
        seconds[5] = 70;
        let found = worst("p(99) over 1s < 1s", &seconds, 40_000);
        assert_worst(&found, Some(70), Some((5, 6)));
    }

    #[test]
    fn a_window_without_samples_is_told_by_its_time() {
        let found = worst("max over 2s < 1s", &[1, 1, 10, 10, 0, 0, 10, 10], 8_000);
        assert_worst(&found, None, Some((4, 6)));
    }

    #[test]
    fn a_run_shorter_than_its_window_has_none() {
        assert_worst(
            &worst("max over 10s < 1s", &[1, 1, 5, 5], 4_000),
            None,
            None,
        );
        assert_worst(
            &worst("max last 10s < 1s", &[1, 1, 5, 5], 4_000),
            None,
            None,
        );
    }

    #[test]
    fn the_last_seconds_are_those_before_the_last_arrival() {
        let seconds = [1, 1, 80, 10, 20, 30, 15, 99, 99, 99, 99, 99];
        let found = worst("max last 3s < 1s", &seconds, 7_000);
        assert_worst(&found, Some(30), Some((4, 7)));
    }

    #[test]
    fn windows_of_a_workload_are_of_its_own_time() {
        let text = r#"name = "test"
description = "d"
thresholds = ['workload["late"].per_s over 2s > 0', 'workload["late"].per_s last 3s > 0']
[[workloads]]
name = "all"
journeys = { j = 1 }
kind = "open"
rate = 1.0
duration = "30s"
[[workloads]]
name = "late"
journeys = { j = 1 }
kind = "open"
start_after = "8s"
warm_up = "2s"
rate = 1.0
duration = "12s"
[[journeys]]
name = "j"
steps = [{ request = { method = "GET", path = "/" } }]
"#;
        let scenario = loadgen_scenario::read("test.toml", text).unwrap();
        let mut windows = Windows::new(&scenario, Scrape::default());
        // 1, 2, … 10 journeys in the seconds from 10 to 20, and none before and after them.
        for second in 0..30_u64 {
            let mut figures = Figures::new(1, 0, 2);
            let completed = (10..20).contains(&second).then(|| second - 9);
            figures.counts(1).completed += completed.unwrap_or(0);
            windows.interval(&figures, Duration::from_secs(second), None);
        }
        let worst = |index: usize| {
            let end = Duration::from_secs(30);
            let worst = windows.worst(index, &scenario.thresholds[index], end);
            worst.map(|worst| (worst.figure, worst.at))
        };
        assert_eq!(worst(0), Some((Some(1.5), Some((10, 12)))));
        assert_eq!(worst(1), Some((Some(9.0), Some((17, 20)))));
    }

    #[test]
    fn a_rate_counts_by_the_windows_length() {
        let found = worst("requests.per_s over 2s > 0.6", &[1, 1, 5, 5, 5, 0], 6_000);
        assert_eq!((found.figure, found.at), (Some(0.5), Some((4, 6))));
    }
}
