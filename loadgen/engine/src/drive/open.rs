//! The open workload: every arrival starts at its own time, independent of the others. A late arrival starts late
//! and counts from its intended start; one over the in-flight limit is dropped; one not started by the end of the run is unsent.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::journey;
use super::pacing::Pacer;
use crate::record::JourneyCounts;
use crate::schedule::Arrivals;

/// Arrivals started or counted in a row before other tasks run: enough to catch up fast, few enough to keep reading answers.
const BURST_MAX: u32 = 64;
/// An arrival that the driver reaches this late, without having waited for room, was missed: the generator itself was delayed.
const MISSED_AFTER: Duration = Duration::from_millis(5);
/// How long after the schedule's end late arrivals are still started.
const OVERRUN: Duration = Duration::from_secs(1);

pub async fn drive(context: &Rc<Context>, workload: usize, mut arrivals: Arrivals, start: Instant) {
    let under_way = &context.workloads[workload];
    let stop = &under_way.stop;
    let recorded_from = context.scenario.workloads[workload].recorded_from();
    let pacer = match Pacer::start() {
        Ok(pacer) => pacer,
        Err(e) => {
            return context.figures.borrow_mut().error(
                "schedule",
                "no pacing thread",
                e.to_string(),
            );
        }
    };
    let count = |add: fn(&mut JourneyCounts)| add(context.figures.borrow_mut().counts(workload));
    let mut burst = 0;
    let mut stopped_at = None;
    // The generator itself missed the arrivals before this time: they wait for room instead of being dropped.
    let mut missed_until = start;
    // When this loop last ran: an arrival's delay before that is not the generator's fault.
    let mut came_round = start;
    for n in 0.. {
        let Some(mut arrival) = arrivals.next() else {
            // The schedule keeps its length even if its last arrival comes before its end.
            match (stopped_at, arrivals.end()) {
                (None, Some(end)) => tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep_until((start + end).into()) => break,
                    () = arrivals.changed() => continue,
                },
                _ => break,
            }
        };
        let mut offset = Duration::from_nanos(arrival.offset_ns);
        let mut intended = start + offset;
        if let Some(stopped_at) = stopped_at {
            // Only arrivals due before the stop count as unsent.
            if intended > stopped_at {
                break;
            }
            count(|counts| counts.unsent += 1);
            // There may be many millions of them, and answers to read meanwhile.
            let_others_run(&mut burst).await;
            continue;
        }
        if intended > Instant::now() {
            burst = 0;
            let due = loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break false,
                    () = arrivals.changed() => {
                        arrival.offset_ns = arrivals.rescheduled_ns(&arrival);
                        offset = Duration::from_nanos(arrival.offset_ns);
                        intended = start + offset;
                    }
                    () = pacer.wait_until(intended) => break true,
                }
            };
            if !due {
                break;
            }
        } else {
            let_others_run(&mut burst).await;
            let over = |end| Instant::now() > start + end + OVERRUN;
            if stop.is_cancelled() || arrivals.end().is_some_and(over) {
                stopped_at = Some(Instant::now());
                count(|counts| counts.unsent += 1);
                continue;
            }
        }
        let now = Instant::now();
        if now.saturating_duration_since(intended.max(came_round)) > MISSED_AFTER {
            missed_until = now;
        }
        while intended < missed_until && !context.has_room(workload) && !stop.is_cancelled() {
            under_way.room.notified().await;
        }
        came_round = Instant::now();
        let measured = offset >= recorded_from;
        if !context.has_room(workload) {
            if measured {
                count(|counts| counts.dropped += 1);
            }
            continue;
        }
        let number = context.share.number(n);
        journey::start(context, workload, arrival, number, intended, measured);
    }
}

/// Lets other tasks run, once in a burst of arrivals.
async fn let_others_run(burst: &mut u32) {
    *burst += 1;
    if *burst >= BURST_MAX {
        *burst = 0;
        tokio::task::yield_now().await;
    }
}
