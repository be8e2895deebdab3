//! The agents of a run: what each did and measured of itself, so that none hides behind the others.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::generator;
use crate::sections::{Generator, JourneyReport, WorkloadReport};
use crate::workload::{journeys, one_of};
use loadgen_engine::drive::AgentFinished;
use loadgen_engine::record::{JourneyCounts, Times};

/// An agent of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgentReport {
    /// Its address.
    pub address: String,
    /// The cores of its machine.
    pub cores: usize,
    /// Its own journeys.
    pub journeys: JourneyReport,
    /// How well it kept up. Only the slip is known of one that was lost.
    pub generator: Generator,
    /// How far its wall clock was ahead of that of the machine that led the run, in microseconds, as measured at the start.
    pub clock_ahead_us: i64,
    /// By how much that, and its start, may be wrong, in microseconds: half of the shortest round trip.
    pub clock_error_us: u64,
    /// Why it was lost before the end, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

impl AgentReport {
    /// That it was lost, and why, in words.
    pub fn said_lost(&self) -> Option<String> {
        let lost = self.lost.as_ref()?;
        Some(format!("the agent {} was {lost}", self.address))
    }
}

/// The agents that were lost, and why, in words.
#[must_use]
pub fn said_lost(agents: &[AgentReport]) -> Vec<String> {
    agents.iter().filter_map(AgentReport::said_lost).collect()
}

/// What an agent is judged by.
pub struct AgentCase {
    /// What the report has of it.
    pub report: AgentReport,
    /// What it did of each workload.
    pub workloads: Vec<WorkloadReport>,
}

/// The agents of a run; none where this process drove the load.
pub fn agents(evidence: &Evidence<'_>) -> Vec<AgentCase> {
    let agents = evidence.finished.agents.iter();
    agents.map(|agent| case(evidence, agent)).collect()
}

fn case(evidence: &Evidence<'_>, agent: &AgentFinished) -> AgentCase {
    let (mut counts, mut slip) = (JourneyCounts::default(), Times::default());
    for figures in &agent.workloads {
        counts.add(&figures.journeys);
        slip.add(&figures.schedule_slip);
    }
    let wall = evidence.finished.drained;
    let own = generator::Own {
        drivers: &agent.drivers,
        process_cpu: agent.process_cpu,
        slip: &slip,
        feed_reconnects: agent.feed_reconnects,
    };
    let workloads = evidence.scenario.workloads.iter().zip(&agent.workloads);
    let workloads = workloads.enumerate();
    AgentCase {
        report: AgentReport {
            address: agent.address.clone(),
            cores: agent.cores,
            journeys: journeys(&counts, evidence.measured(None)),
            generator: own.over(wall),
            clock_ahead_us: agent.clock_ahead_us,
            clock_error_us: agent.clock_error_us,
            lost: agent.lost.clone(),
        },
        workloads: workloads
            .map(|(index, (workload, figures))| {
                one_of(workload, figures, evidence.measured(Some(index)))
            })
            .collect(),
    }
}
