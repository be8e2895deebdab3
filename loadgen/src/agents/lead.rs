//! Leads agents through a run: set-up once, one start, and what they tell merged, so that listeners see a single driver.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{select_all, try_join_all};
use tokio::sync::{mpsc, watch};

use super::clock::clock_us;
use super::frame::{FromAgent, ToAgent};
use super::member::Member;
use super::wire::Heard;
use loadgen_engine::drive::{
    Assignment, DriverEvent, Finished, Merging, Preparation, Refusal, Variables,
};
use loadgen_engine::schedule::Schedule;

/// From the signal to the start, beside the longest round trip: by then every agent must have heard of it.
const START_AFTER: Duration = Duration::from_millis(500);
/// Round trips that the signal may take.
const ROUND_TRIPS: u32 = 4;

/// What the thread is given to carry out.
pub struct Orders {
    /// As for drivers of this process; it has no loads.
    pub assignment: Assignment,
    /// The schedule, where it can be held.
    pub schedule: Option<watch::Receiver<Schedule>>,
}

/// Carries the run out. Tells what drivers of this process would tell.
pub async fn lead(mut members: Vec<Member<'_>>, orders: Orders) -> Result<Finished, Refusal> {
    let Assignment {
        scenario,
        targets,
        variables,
        seed,
        meanings,
        events,
        go,
        stop,
        ..
    } = orders.assignment;
    let (Variables::BeforeSetUp(lists) | Variables::AfterSetUp(lists)) = variables;
    let preparation = Preparation {
        scenario: &scenario,
        targets: &targets,
        seed,
        meanings,
    };
    let prepared = preparation.carry_out(lists, &events, &stop).await?;
    for member in &members {
        let variables = prepared.variables.clone();
        member.send(ToAgent::Prepared(variables));
    }
    for member in &mut members {
        member
            .tells(|frame| matches!(frame, FromAgent::Ready))
            .await?;
    }
    if !scenario.teardown.is_empty() {
        let variables = prepared.variables;
        events.send(DriverEvent::Prepared { variables }).ok();
    }
    events.send(DriverEvent::Ready).ok();
    go.await
        .map_err(|_| Refusal::SetUp("the run was cancelled before its start".to_owned()))?;
    start(&mut members, &events).await?;
    let mut merging = Merging::new(members.len(), prepared.ledger);
    let mut schedule = orders.schedule;
    let mut stopped = false;
    loop {
        let of_all = tokio::select! {
            (index, heard) = next(&mut members) => {
                let member = &mut members[index];
                for event in member.takes_in(index, heard, &mut merging)? {
                    events.send(event).ok();
                }
                None
            }
            () = stop.cancelled(), if !stopped => {
                stopped = true;
                Some(ToAgent::Stop)
            }
            stages = changed(&mut schedule) => Some(stages),
        };
        if let Some(frame) = of_all {
            tell_all(&members, &frame);
        }
        if let Some(mut finished) = merging.finished() {
            finished.agents = members.into_iter().map(|member| member.done).collect();
            return Ok(finished);
        }
    }
}

/// Compares the clocks, and has all start at one instant.
async fn start(
    members: &mut [Member<'_>],
    events: &mpsc::UnboundedSender<DriverEvent>,
) -> Result<(), Refusal> {
    try_join_all(members.iter_mut().map(Member::compare_clocks)).await?;
    let errors = members.iter().map(|member| member.done.clock_error_us);
    let round_trip = Duration::from_micros(2 * errors.max().unwrap_or_default());
    let at = Instant::now() + START_AFTER + round_trip * ROUND_TRIPS;
    for member in members {
        let ahead = member.ahead.map_or(0, |ahead| ahead.clock_us);
        let clock_us = clock_us(at) + ahead;
        member.send(ToAgent::Start { clock_us });
    }
    let wall_clock = SystemTime::now() + at.saturating_duration_since(Instant::now());
    events.send(DriverEvent::Started { at, wall_clock }).ok();
    Ok(())
}

/// The next change of a schedule that can be held; never without one.
async fn changed(schedule: &mut Option<watch::Receiver<Schedule>>) -> ToAgent {
    if let Some(changes) = schedule
        && changes.changed().await.is_ok()
    {
        return ToAgent::Schedule(changes.borrow_and_update().stages().to_vec());
    }
    std::future::pending().await
}

fn tell_all(members: &[Member<'_>], frame: &ToAgent) {
    for member in members {
        member.send(match frame {
            ToAgent::Schedule(stages) => ToAgent::Schedule(stages.clone()),
            _ => ToAgent::Stop,
        });
    }
}

/// What is heard next of the agents that still drive, with the agent's index; never anything if none does.
async fn next(members: &mut [Member<'_>]) -> (usize, Heard<FromAgent>) {
    let driving = members.iter_mut().enumerate().filter(|(_, m)| !m.ended);
    let heard = driving.map(|(index, member)| {
        let heard = async move { (index, member.hears().await) };
        Box::pin(heard)
    });
    let heard: Vec<_> = heard.collect();
    match heard.is_empty() {
        true => std::future::pending().await,
        false => select_all(heard).await.0,
    }
}
