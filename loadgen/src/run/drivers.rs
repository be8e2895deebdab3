//! Chooses the number of drivers: as few as can carry the load, because each takes a core from other programs here, the target too.

use std::thread::available_parallelism;

use super::options::RunError;
use loadgen_scenario::{Scenario, Stage, Workload};

/// Requests a second that one driver carries easily, on a core of its own.
const REQUESTS_PER_DRIVER: f64 = 25_000.0;
/// Users of a closed workload that keep one driver busy.
const USERS_PER_DRIVER: usize = 32;
/// The most drivers; more would be a mistake.
const DRIVERS_MAX: usize = 256;

/// The number asked for, else what the scenario needs, up to half of the cores. Each driver has at least one connection and
/// one journey in flight.
pub fn count(scenario: &Scenario, asked: Option<usize>) -> Result<usize, RunError> {
    let dependent = matches!(scenario.workload, Workload::Trace) || scenario.shares_values();
    let limits = &scenario.limits;
    let allowed = match dependent {
        true => 1,
        false => DRIVERS_MAX
            .min(limits.connections_max)
            .min(limits.in_flight_max),
    };
    match asked {
        Some(asked) if dependent && asked > 1 => Err(RunError::BadInput(format!(
            "--drivers {asked}: this scenario's journeys depend on each other (a recorded trace, or shared values), so it can have only one driver"
        ))),
        Some(asked) if asked > allowed || asked == 0 => Err(RunError::BadInput(format!(
            "--drivers {asked}: out of range; allowed: 1 to {allowed} ({DRIVERS_MAX}, and no more than the scenario's connections_max and in_flight_max)"
        ))),
        Some(asked) => Ok(asked),
        None => {
            let spare = available_parallelism().map_or(1, |n| n.get() / 2).max(1);
            Ok(needed(scenario).clamp(1, spare.min(allowed)))
        }
    }
}

fn needed(scenario: &Scenario) -> usize {
    match &scenario.workload {
        Workload::Open { stages } => {
            let highest = Stage::highest(stages);
            let steps = scenario.journeys.iter().map(|j| j.steps.len()).max();
            let requests = highest * steps.unwrap_or(1) as f64;
            (requests / REQUESTS_PER_DRIVER).ceil() as usize
        }
        Workload::Closed { stages, .. } => {
            let users = Stage::highest(stages).ceil() as usize;
            users.div_ceil(USERS_PER_DRIVER)
        }
        Workload::Trace => 1,
    }
}
