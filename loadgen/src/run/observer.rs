//! Makes the run's series, once a second: the drivers' counts, and observations of target and machine in
//! the same second. Adds nothing to the load except reading `/proc`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadgen_engine::drive::{DRIVER, Interval};
use loadgen_engine::fault::StartedSystem;
use loadgen_engine::proc::{host_time, numbered_cpu_times, process_cpu_time, program_times};
use loadgen_engine::record::series::{
    AGENT, GENERATOR, GroupPoint, HOST, OTHERS, Observation, Point, Series,
};
use loadgen_engine::scrape::Scrape;

/// The shortest time over which CPU shares are computed: CPU time has a resolution of 10 ms.
const CPU_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// Observes a run and makes its series.
pub struct Observer {
    /// The series so far.
    pub series: Series,
    /// The system that was started here.
    system: Option<Arc<dyn StartedSystem>>,
    cpu: (Instant, BTreeMap<String, Duration>),
    drivers_cpu: BTreeMap<usize, Duration>,
    /// Each driver's share of a core in percent, at the last observation.
    pub drivers_cpu_pct: Vec<f64>,
    /// CPU of each agent's process in percent of a core, in the last interval.
    agents_cpu_pct: Vec<(String, f64)>,
    scrape: Option<Scrape>,
    /// The end of the last interval, from the start of the run.
    told: Duration,
}

impl Observer {
    /// An observer for a run; `system` is set if the system was started here.
    pub fn new(system: Option<Arc<dyn StartedSystem>>) -> Self {
        Self {
            series: Series::default(),
            system,
            cpu: (Instant::now(), BTreeMap::new()),
            drivers_cpu: BTreeMap::new(),
            drivers_cpu_pct: Vec::new(),
            agents_cpu_pct: Vec::new(),
            scrape: None,
            told: Duration::ZERO,
        }
    }

    /// Takes the initial values. Call it before the workload starts: what was before does not count.
    pub fn start(&mut self, scrape: Option<Scrape>) {
        self.cpu = (Instant::now(), self.cpu_times());
        self.drivers_cpu = numbered_cpu_times(DRIVER);
        self.scrape = scrape;
    }

    /// Extends an interval back to the end of the one before it: a driver that ended before its last tick reports everything since then,
    /// whatever start it gives.
    pub fn close_gap(&mut self, interval: &mut Interval) {
        let end = interval.start + interval.length;
        if interval.start > self.told {
            interval.start = self.told;
            interval.length = end - self.told;
        }
        self.told = end;
    }

    /// Adds the drivers' counts.
    pub fn interval(&mut self, interval: &Interval) {
        self.series.count(interval.start, &Point::of(interval));
        self.agents_cpu_pct.clone_from(&interval.agents_cpu_pct);
    }

    /// Observes the machine, and adds the target's metrics, if there are any, to the interval that started at `time`.
    pub fn look(&mut self, time: Duration, scrape: Option<&Scrape>) -> Observation {
        let mut observation = Observation::default();
        let agents = std::mem::take(&mut self.agents_cpu_pct).into_iter();
        let agents = agents.map(|(address, pct)| (format!("{AGENT}{address}"), pct));
        observation.cpu_pct.extend(agents);
        let wall = self.cpu.0.elapsed();
        if wall >= CPU_INTERVAL_MIN {
            let now = self.cpu_times();
            for (name, cpu) in &now {
                // A process that is new since the last observation has no share yet.
                if let Some(before) = self.cpu.1.get(name) {
                    observation
                        .cpu_pct
                        .push((name.clone(), share_pct(*cpu, *before, wall)));
                }
            }
            let drivers = numbered_cpu_times(DRIVER);
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
            observation.groups = groups
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
        self.series.see(time, &observation);
        observation
    }

    fn cpu_times(&self) -> BTreeMap<String, Duration> {
        // Only if the system was started here: then all programs that should run on this machine are known.
        let system = self.system.as_ref();
        // Asked each time: a system that was killed and started again has other processes.
        let programs = system.and_then(|system| program_times(&system.roots()));
        let (mut times, others) = match programs {
            Some(programs) => (programs.system, Some(programs.others)),
            None => (BTreeMap::new(), None),
        };
        let host = system.and_then(|_| host_time());
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

/// The share of one core, in percent, to a tenth.
fn share_pct(now: Duration, before: Duration, wall: Duration) -> f64 {
    let share = now.saturating_sub(before).as_secs_f64() / wall.as_secs_f64();
    (share * 1_000.0).round() / 10.0
}
