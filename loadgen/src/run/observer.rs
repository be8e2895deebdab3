//! The run's course as it is told once a second: what the driver has counted, and what is seen of the target and of the machine in
//! the same second. Adds nothing to the load but a look at `/proc`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::drive::{group_cpu_times, process_cpu_time};
use crate::metrics_scrape::Scrape;
use crate::record::series::{GroupPoint, Point, Series, Sighting};
use crate::run_event::Interval;

/// CPU time is told in ticks of 10 ms: over a shorter time its share says nothing.
const CPU_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// As the series names this process.
const GENERATOR: &str = "loadgen (generator)";

/// Makes the series.
pub struct Observer {
    /// So far.
    pub series: Series,
    /// The process group of a system that was started here.
    system: Option<u32>,
    cpu: (Instant, BTreeMap<String, Duration>),
    scrape: Option<Scrape>,
    /// Up to where it has been told, from the start of the run.
    told: Duration,
}

impl Observer {
    /// For a run that drives a system started here, or another one.
    pub fn new(system: Option<u32>) -> Self {
        Self {
            series: Series::default(),
            system,
            cpu: (Instant::now(), BTreeMap::new()),
            scrape: None,
            told: Duration::ZERO,
        }
    }

    /// The workload is about to start; what was before does not count.
    pub fn start(&mut self, scrape: Option<Scrape>) {
        self.cpu = (Instant::now(), self.cpu_times());
        self.scrape = scrape;
    }

    /// Lets an interval begin where the one before it ended: a driver that ended before its last tick tells of everything since then,
    /// whatever it says itself.
    pub fn close_gap(&mut self, interval: &mut Interval) {
        let end = interval.start + interval.length;
        if interval.start > self.told {
            interval.start = self.told;
            interval.length = end - self.told;
        }
        self.told = end;
    }

    /// Adds what a driver has counted.
    pub fn interval(&mut self, interval: &Interval) {
        let figures = &interval.figures;
        let counted = Point {
            length_s: interval.length.as_secs_f64(),
            started: interval.started,
            completed: figures.journeys.completed,
            failed: figures.journeys.failed,
            dropped: figures.journeys.dropped,
            requests: figures.steps.iter().map(|s| s.count).sum(),
            errors: figures.errors.values().map(|e| e.count).sum(),
            in_flight: Some(interval.in_flight as u64),
            ..Point::default()
        };
        self.series.count(interval.start, &counted);
    }

    /// Looks at the machine and takes the target's metrics, if there are any, as seen in the interval that started at `time`.
    pub fn look(&mut self, time: Duration, scrape: Option<&Scrape>) {
        let mut sighting = Sighting::default();
        let wall = self.cpu.0.elapsed();
        if wall >= CPU_INTERVAL_MIN {
            let now = self.cpu_times();
            for (name, cpu) in &now {
                // A process that is new since the last look has no share yet.
                if let Some(before) = self.cpu.1.get(name) {
                    let share = cpu.saturating_sub(*before).as_secs_f64() / wall.as_secs_f64();
                    sighting
                        .cpu_pct
                        .push((name.clone(), (share * 1_000.0).round() / 10.0));
                }
            }
            self.cpu = (Instant::now(), now);
        }
        if let Some(scrape) = scrape {
            let before = self.scrape.replace(scrape.clone()).unwrap_or_default();
            let groups = scrape.groups_since(&before).into_iter();
            sighting.groups = groups
                .map(|(name, (backlog, lag))| {
                    let point = GroupPoint {
                        backlog,
                        handled: lag.count,
                        lag_p50_us: lag.p50_us,
                        lag_p99_us: lag.p99_us,
                    };
                    (name, point)
                })
                .collect();
        }
        self.series.see(time, &sighting);
    }

    fn cpu_times(&self) -> BTreeMap<String, Duration> {
        let mut times = self.system.map(group_cpu_times).unwrap_or_default();
        if let Some(own) = process_cpu_time() {
            times.insert(GENERATOR.to_owned(), own);
        }
        times
    }
}
