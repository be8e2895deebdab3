//! The run's course as it is told once a second: what the driver has counted, and what is seen of the target and of the machine in
//! the same second. Adds nothing to the load but a look at `/proc`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::drive::{driver_cpu_times, host_time, process_cpu_time, program_times};
use crate::metrics_scrape::Scrape;
use crate::record::series::{GENERATOR, GroupPoint, HOST, OTHERS, Point, Series, Sighting};
use crate::run_event::Interval;

/// CPU time is told in ticks of 10 ms: over a shorter time its share says nothing.
const CPU_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// Makes the series.
pub struct Observer {
    /// So far.
    pub series: Series,
    /// The process group of a system that was started here.
    system: Option<u32>,
    cpu: (Instant, BTreeMap<String, Duration>),
    drivers_cpu: BTreeMap<usize, Duration>,
    /// Each driver's share of a core in percent, as last looked at.
    pub drivers_cpu_pct: Vec<f64>,
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
            drivers_cpu: BTreeMap::new(),
            drivers_cpu_pct: Vec::new(),
            scrape: None,
            told: Duration::ZERO,
        }
    }

    /// The workload is about to start; what was before does not count.
    pub fn start(&mut self, scrape: Option<Scrape>) {
        self.cpu = (Instant::now(), self.cpu_times());
        self.drivers_cpu = driver_cpu_times();
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
        self.series.count(interval.start, &Point::of(interval));
    }

    /// Looks at the machine and takes the target's metrics, if there are any, as seen in the interval that started at `time`.
    pub fn look(&mut self, time: Duration, scrape: Option<&Scrape>) -> Sighting {
        let mut sighting = Sighting::default();
        let wall = self.cpu.0.elapsed();
        if wall >= CPU_INTERVAL_MIN {
            let now = self.cpu_times();
            for (name, cpu) in &now {
                // A process that is new since the last look has no share yet.
                if let Some(before) = self.cpu.1.get(name) {
                    sighting
                        .cpu_pct
                        .push((name.clone(), share_pct(*cpu, *before, wall)));
                }
            }
            let drivers = driver_cpu_times();
            let shares = drivers.iter().map(|(number, cpu)| {
                let before = self.drivers_cpu.get(number).copied();
                share_pct(*cpu, before.unwrap_or(*cpu), wall)
            });
            self.drivers_cpu_pct = shares.collect();
            self.drivers_cpu = drivers;
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
        sighting
    }

    fn cpu_times(&self) -> BTreeMap<String, Duration> {
        // Only where all that should run on this machine is known: the system was started here.
        let programs = self.system.and_then(program_times);
        let (mut times, others) = match programs {
            Some(programs) => (programs.system, Some(programs.others)),
            None => (BTreeMap::new(), None),
        };
        let host = self.system.and_then(|_| host_time());
        let all = [
            (GENERATOR, process_cpu_time()),
            (OTHERS, others),
            (HOST, host),
        ];
        let known = all.into_iter().filter_map(|(name, cpu)| Some((name, cpu?)));
        times.extend(known.map(|(name, cpu)| (name.to_owned(), cpu)));
        times
    }
}

/// In percent of one core, to a tenth.
fn share_pct(now: Duration, before: Duration, wall: Duration) -> f64 {
    let share = now.saturating_sub(before).as_secs_f64() / wall.as_secs_f64();
    (share * 1_000.0).round() / 10.0
}
