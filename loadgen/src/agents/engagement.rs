//! Before a run: takes every agent for it and gives each its part, or none of them. On a thread of its own, which leads the run afterwards.

use futures_util::future::try_join_all;
use tokio::sync::{oneshot, watch};

use super::connection::{AgentsOptions, connect};
use super::frame::{Assigned, FromAgent, ToAgent};
use super::lead::{Orders, lead};
use super::member::Member;
use loadgen_engine::drive::{Assignment, DriverEvent, Refusal, runtime};
use loadgen_engine::schedule::Schedule;
use loadgen_scenario::share::Share;
use loadgen_scenario::{Scenario, Sources};

/// What the agents are to do together.
pub struct Task<'a> {
    /// The scenario of the run.
    pub scenario: &'a Scenario,
    /// The URL of the main target.
    pub target: &'a str,
    /// Makes choices repeatable.
    pub seed: u64,
    /// Whether what is created is noted, for an audit.
    pub noted: bool,
    /// The drivers of each agent.
    pub drivers_each: usize,
}

impl Task<'_> {
    /// The part of each of so many agents: their drivers' shares alternate, so that arrival k is sent by agent k mod n.
    fn parts(&self, agents: usize) -> Result<Vec<Assigned>, String> {
        let of = agents * self.drivers_each;
        let part = |agent: usize| {
            let shares = Share::all(of).map(|share| (share.index, share.of));
            Ok(Assigned {
                sources: Sources::of(self.scenario)?,
                target: self.target.to_owned(),
                seed: self.seed,
                noted: self.noted,
                shares: shares.skip(agent).step_by(agents).collect(),
            })
        };
        (0..agents).map(part).collect()
    }
}

/// Agents that wait for a run.
pub struct Engaged {
    orders: oneshot::Sender<Orders>,
}

impl Engaged {
    /// Leads them through the run. The thread ends after `DriverEvent::Finished` or `DriverEvent::Failed`.
    pub fn lead(self, assignment: Assignment, schedule: Option<watch::Receiver<Schedule>>) {
        let events = assignment.events.clone();
        let orders = Orders {
            assignment,
            schedule,
        };
        if self.orders.send(orders).is_err() {
            let ended = "the agents' thread ended unexpectedly".to_owned();
            events.send(DriverEvent::Failed(Refusal::SetUp(ended))).ok();
        }
    }
}

/// Takes the agents: each has the right version and token, is free, and reaches the targets. Nothing is sent to a target before all are
/// taken. The error is for people.
pub async fn engage(options: &AgentsOptions, task: &Task<'_>) -> Result<Engaged, String> {
    let parts = task.parts(options.addresses.len())?;
    let options = options.clone();
    let (orders, wait) = oneshot::channel::<Orders>();
    let (tell, taken) = oneshot::channel();
    let thread = std::thread::Builder::new().name("agents".into());
    let leading = move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(refusal) => return drop(tell.send(Err(refusal.to_string()))),
        };
        runtime.block_on(async {
            let members = match take(&options, parts).await {
                Ok(members) => members,
                Err(problem) => return drop(tell.send(Err(problem))),
            };
            tell.send(Ok(())).ok();
            // Without orders the run has come to nothing: the agents are let go.
            let Ok(orders) = wait.await else { return };
            let events = orders.assignment.events.clone();
            let outcome = lead(members, orders).await;
            events
                .send(outcome.map_or_else(DriverEvent::Failed, DriverEvent::Finished))
                .ok();
        });
    };
    let started = thread.spawn(leading);
    started.map_err(|e| format!("the agents' thread can't be started: {e}"))?;
    let taken = taken.await.map_err(|_| "the agents' thread has ended")?;
    taken.map(|()| Engaged { orders })
}

async fn take(options: &AgentsOptions, parts: Vec<Assigned>) -> Result<Vec<Member>, String> {
    let addresses = options.addresses.iter();
    let connected = addresses.map(async |address| {
        let connected = connect(address, options).await;
        connected.map_err(|problem| format!("the agent {address}: {problem}"))
    });
    // All of them, before any has its part.
    let connected = try_join_all(connected).await?;
    let members = connected.into_iter().zip(parts);
    let members = members.map(async |(connected, part)| {
        let mut member = Member::new(connected);
        member.wire.send(ToAgent::Assigned(Box::new(part)));
        let reached = member.tells(|frame| matches!(frame, FromAgent::Reached));
        reached.await.map_err(|refusal| refusal.to_string())?;
        Ok(member)
    });
    try_join_all(members).await
}
