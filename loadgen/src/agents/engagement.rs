//! Takes every agent, or none of them, for one run or for all runs of a search or an experiment, and gives each its part of a run. On a
//! thread of its own, which leads the runs.

use futures_util::future::try_join_all;
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{AgentsOptions, Connected, connect};
use super::frame::{Assigned, FromAgent, ToAgent};
use super::lead::{Orders, lead};
use super::member::Member;
use loadgen_engine::drive::{Assignment, DriverEvent, Refusal, runtime};
use loadgen_engine::schedule::Schedule;
use loadgen_scenario::share::Share;
use loadgen_scenario::{Scenario, Sources};

/// What the agents are to do together in a run.
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

/// Agents that nobody else can use until this is dropped.
pub struct Agents {
    /// How many.
    pub count: usize,
    runs: mpsc::UnboundedSender<NextRun>,
}

/// What the agents' thread is told of a run.
struct NextRun {
    parts: Vec<Assigned>,
    engaged: oneshot::Sender<Result<(), Refusal>>,
    orders: oneshot::Receiver<Orders>,
}

/// Agents that wait for the start of a run.
pub struct Engaged {
    orders: oneshot::Sender<Orders>,
}

impl Agents {
    /// Takes the agents: each has the right version and token, and is free. The error is for people.
    pub async fn take(options: AgentsOptions) -> Result<Self, String> {
        let count = options.addresses.len();
        let (runs, next_runs) = mpsc::unbounded_channel();
        let (tell, taken) = oneshot::channel();
        let thread = std::thread::Builder::new().name("agents".into());
        let leading = move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(refusal) => return drop(tell.send(Err(refusal.to_string()))),
            };
            runtime.block_on(async {
                match connect_all(&options).await {
                    Ok(connected) => {
                        tell.send(Ok(())).ok();
                        carry_out(connected, next_runs).await;
                    }
                    Err(problem) => drop(tell.send(Err(problem))),
                }
            });
        };
        let started = thread.spawn(leading);
        started.map_err(|e| format!("the agents' thread can't be started: {e}"))?;
        taken.await.map_err(|_| ended())??;
        Ok(Self { count, runs })
    }

    /// Gives each agent its part of a run, once it reaches the targets. Nothing is sent to a target before all of them do.
    pub async fn engage(&self, task: &Task<'_>) -> Result<Engaged, Refusal> {
        let parts = task.parts(self.count).map_err(Refusal::BadInput)?;
        let (orders, wait) = oneshot::channel();
        let (tell, engaged) = oneshot::channel();
        let next = NextRun {
            parts,
            engaged: tell,
            orders: wait,
        };
        self.runs.send(next).ok();
        let engaged = engaged.await;
        engaged.unwrap_or_else(|_| Err(Refusal::SetUp(ended())))?;
        Ok(Engaged { orders })
    }
}

impl Engaged {
    /// Leads them through the run, until `DriverEvent::Finished` or `DriverEvent::Failed`.
    pub fn lead(self, assignment: Assignment, schedule: Option<watch::Receiver<Schedule>>) {
        let events = assignment.events.clone();
        let orders = Orders {
            assignment,
            schedule,
        };
        if self.orders.send(orders).is_err() {
            let failed = DriverEvent::Failed(Refusal::SetUp(ended()));
            events.send(failed).ok();
        }
    }
}

fn ended() -> String {
    "the agents' thread ended unexpectedly".to_owned()
}

async fn connect_all(options: &AgentsOptions) -> Result<Vec<Connected>, String> {
    let connected = options.addresses.iter().map(async |address| {
        let connected = connect(address, options).await;
        connected.map_err(|problem| format!("the agent {address}: {problem}"))
    });
    try_join_all(connected).await
}

/// Carries out one run after the other. A run that comes to nothing is the last one: then the agents are let go.
async fn carry_out(mut agents: Vec<Connected>, mut runs: mpsc::UnboundedReceiver<NextRun>) {
    while let Some(run) = runs.recv().await {
        let members = match assign(&mut agents, run.parts).await {
            Ok(members) => members,
            Err(refusal) => return drop(run.engaged.send(Err(refusal))),
        };
        run.engaged.send(Ok(())).ok();
        let Ok(orders) = run.orders.await else { return };
        let events = orders.assignment.events.clone();
        match lead(members, orders).await {
            Ok(finished) => drop(events.send(DriverEvent::Finished(finished))),
            Err(refusal) => return drop(events.send(DriverEvent::Failed(refusal))),
        }
    }
}

async fn assign(
    agents: &mut [Connected],
    parts: Vec<Assigned>,
) -> Result<Vec<Member<'_>>, Refusal> {
    let members = agents.iter_mut().zip(parts);
    let members = members.map(async |(agent, part)| {
        let mut member = Member::new(agent);
        member.send(ToAgent::Assigned(Box::new(part)));
        member
            .tells(|frame| matches!(frame, FromAgent::Reached))
            .await?;
        Ok(member)
    });
    try_join_all(members).await
}
