//! How drivers are loaded: the share of each in every workload of a scenario.

use tokio::sync::watch;

use loadgen_engine::drive::Load;
use loadgen_engine::schedule::{Arrivals, Crowd, Schedule, Spacing, of_workload};
use loadgen_scenario::share::Share;
use loadgen_scenario::{Scenario, Workload, WorkloadKind};

/// By driver: its share of each workload. Arrivals follow the schedule, where it can be held; recorded ones have one driver.
pub fn loads(
    scenario: &Scenario,
    seed: u64,
    shares: impl Iterator<Item = Share>,
    schedule: Option<&watch::Receiver<Schedule>>,
    mut replay: Option<Arrivals>,
) -> Vec<(Share, Vec<Load>)> {
    shares
        .map(|share| {
            let workloads = scenario.workloads.iter().enumerate();
            let loads = workloads.filter_map(|(index, workload)| {
                let seed = of_workload(seed, index);
                load(workload, seed, share, schedule, &mut replay)
            });
            (share, loads.collect())
        })
        .collect()
}

fn load(
    workload: &Workload,
    seed: u64,
    share: Share,
    schedule: Option<&watch::Receiver<Schedule>>,
    replay: &mut Option<Arrivals>,
) -> Option<Load> {
    Some(match &workload.kind {
        WorkloadKind::Trace => Load::Open {
            arrivals: replay.take()?,
        },
        WorkloadKind::Closed { think_time, .. } => Load::Closed {
            crowd: Crowd::new(workload.stages_of_the_run()),
            think_time: *think_time,
        },
        WorkloadKind::Open { poisson, .. } => {
            let plain = Schedule::new(workload.stages_of_the_run());
            let spacing = match poisson {
                true => Spacing::Poisson(seed),
                false => Spacing::Even,
            };
            let arrivals = Arrivals::scheduled(plain, spacing, &workload.mix, seed, share);
            let arrivals = match schedule {
                Some(changes) => arrivals.following(changes.clone()),
                None => arrivals,
            };
            Load::Open { arrivals }
        }
    })
}
