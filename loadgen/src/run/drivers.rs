//! Chooses the number of drivers: as few as can carry the load, because each takes a core from other programs here, the target too.

use std::thread::available_parallelism;

use super::options::RunError;
use loadgen_scenario::{Scenario, Stage, Workload, WorkloadKind};

/// Requests a second that one driver carries easily, on a core of its own.
const REQUESTS_PER_DRIVER: f64 = 25_000.0;
/// Users of a closed workload that keep one driver busy.
const USERS_PER_DRIVER: f64 = 32.0;
/// The most drivers; more would be a mistake.
const DRIVERS_MAX: usize = 256;

/// The drivers of each of so many agents, or of this process: the number asked for, else what the scenario needs, here up to half of the
/// cores. Each driver has at least one connection and one journey in flight.
///
/// # Errors
/// The scenario can't be shared so.
pub fn drivers_each(
    scenario: &Scenario,
    asked: Option<usize>,
    agents: Option<usize>,
) -> Result<usize, RunError> {
    if scenario.trace.is_some() && agents.is_some() {
        let problem =
            "--agents: recorded arrivals depend on each other, so they have one generator";
        return Err(RunError::BadInput(problem.to_owned()));
    }
    let generators = agents.unwrap_or(1);
    let dependent = scenario.trace.is_some() || scenario.shares_values();
    let limits = &scenario.limits;
    let allowed = match dependent {
        true => 1,
        false => {
            let most = limits.connections_max.min(limits.in_flight_max);
            DRIVERS_MAX.min(most / generators)
        }
    };
    if dependent && generators > 1 {
        return Err(RunError::BadInput(format!(
            "--agents: {generators} agents: this scenario's journeys depend on each other (shared values), so it can have only one"
        )));
    }
    if allowed == 0 {
        return Err(RunError::BadInput(format!(
            "--agents: {generators} agents are more than the scenario's connections_max or its in_flight_max; each needs one of both"
        )));
    }
    match asked {
        Some(asked) if dependent && asked > 1 => Err(RunError::BadInput(format!(
            "--drivers {asked}: this scenario's journeys depend on each other (a recorded trace, or shared values), so it can have only one driver"
        ))),
        Some(asked) if asked > allowed || asked == 0 => Err(RunError::BadInput(format!(
            "--drivers {asked}: out of range; allowed: 1 to {allowed} (at most {DRIVERS_MAX}, the scenario's connections_max and its in_flight_max)"
        ))),
        Some(asked) => Ok(asked),
        None => {
            let spare = match agents {
                // Their machines have nothing else to do.
                Some(_) => DRIVERS_MAX,
                None => available_parallelism().map_or(1, |n| n.get() / 2).max(1),
            };
            let each = needed(scenario).div_ceil(generators);
            Ok(each.clamp(1, spare.min(allowed)))
        }
    }
}

fn needed(scenario: &Scenario) -> usize {
    let drivers = |workload: &Workload| match &workload.kind {
        WorkloadKind::Open { stages, .. } => {
            let journeys = workload.mix.iter().map(|(i, _)| &scenario.journeys[*i]);
            let steps = journeys.map(|j| j.steps.len()).max();
            Stage::highest(stages) * steps.unwrap_or(1) as f64 / REQUESTS_PER_DRIVER
        }
        WorkloadKind::Closed { stages, .. } => Stage::highest(stages) / USERS_PER_DRIVER,
        WorkloadKind::Trace => 1.0,
    };
    let all: f64 = scenario.workloads.iter().map(drivers).sum();
    all.ceil() as usize
}
