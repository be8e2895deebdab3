//! The closed workload: each user starts a journey when the previous one has ended and the think time is over. A slow target
//! gets fewer requests, so the figures of a closed workload say nothing about an arrival rate.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use super::context::Context;
use super::journey;
use crate::schedule::{Arrival, Crowd, JourneyChooser, of_workload};
use loadgen_scenario::ThinkTime;
use loadgen_scenario::expression::Vars;

pub async fn drive(
    context: &Rc<Context>,
    workload: usize,
    crowd: Crowd,
    think_time: ThinkTime,
    start: Instant,
) {
    let stop = &context.workloads[workload].stop;
    let recorded_from = context.scenario.workloads[workload].recorded_from();
    let chooser = Rc::new(RefCell::new(JourneyChooser::new(
        &context.scenario.workloads[workload].mix,
        // Each driver chooses on its own: users' journeys have no common order.
        of_workload(context.seed ^ context.share.index as u64, workload),
    )));
    let numbers = Rc::new(Cell::new(0_u64));
    let end = start + crowd.duration();
    let users_max = crowd.users_max();
    let crowd = Rc::new(crowd);
    tokio::time::sleep_until(start.into()).await;
    let users: Vec<_> = context
        .share
        .pick(0..users_max)
        .map(|user| {
            let (context, crowd, chooser, numbers, stop) = (
                context.clone(),
                crowd.clone(),
                chooser.clone(),
                numbers.clone(),
                stop.clone(),
            );
            tokio::task::spawn_local(async move {
                let mut intended = Instant::now();
                while let Some(active) = crowd.active_from(user, intended - start)
                    && !stop.is_cancelled()
                {
                    if start + active.start > intended {
                        intended = start + active.start;
                        tokio::select! {
                            () = stop.cancelled() => break,
                            () = context.pauses.until(intended) => {}
                        }
                    }
                    let until = start + active.end;
                    while intended < until && !stop.is_cancelled() {
                        let number = context.share.number(numbers.replace(numbers.get() + 1));
                        let offset = intended - start;
                        let arrival = Arrival {
                            offset_ns: offset.as_nanos() as u64,
                            journey: chooser.borrow_mut().choose(),
                            vars: Vars::new(),
                        };
                        let measured = offset >= recorded_from;
                        // Pinned in place: moving the future would cost a good part of what the journey costs.
                        let journey = pin!(journey::run(
                            context.clone(),
                            workload,
                            arrival,
                            number,
                            intended,
                            measured
                        ));
                        let ended = journey.await;
                        let pause = match think_time {
                            // Without the random numbers that it would not draw.
                            ThinkTime::Constant(length) => length,
                            drawn => drawn.sample(&mut context.rng(!of_workload(number, workload))),
                        };
                        intended = ended + pause;
                        if pause.is_zero() {
                            // Journeys that never wait must not starve the other users.
                            tokio::task::consume_budget().await;
                            continue;
                        }
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = context.pauses.until(intended.min(end)) => {}
                        }
                    }
                }
            })
        })
        .collect();
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep_until(end.into()) => {}
    }
    // The users end with their current journeys; the drain waits for those.
    drop(users);
}
