//! One agent of a run, as the machine sees it that leads: how far it has come, and what it has told of itself.

use std::fmt::Display;
use std::time::Duration;

use super::clock::{Ahead, Moment};
use super::connection::Connected;
use super::frame::{FromAgent, ToAgent};
use super::wire::Heard;
use loadgen_engine::drive::{
    AgentFinished, Driven, DriverEvent, Finished, Interval, Merging, Refusal,
};
use loadgen_engine::record::WorkloadFigures;

/// How often its clock is asked for; the shortest round trip counts.
const CLOCK_QUESTIONS: u32 = 10;

/// An agent and what it did in this run.
pub struct Member<'a> {
    agent: &'a mut Connected,
    /// How far its clocks are ahead, once they were asked for.
    pub ahead: Option<Ahead>,
    pub done: AgentFinished,
    /// The end of its last interval, from the start of the run.
    until: Duration,
    draining: bool,
    /// Whether it drives no longer.
    pub ended: bool,
}

impl<'a> Member<'a> {
    pub fn new(agent: &'a mut Connected) -> Self {
        Self {
            done: AgentFinished {
                address: agent.address.clone(),
                cores: agent.cores,
                ..AgentFinished::default()
            },
            agent,
            ahead: None,
            until: Duration::ZERO,
            draining: false,
            ended: false,
        }
    }

    /// What is said of it.
    fn said(&self, what: impl Display) -> String {
        format!("the agent {}: {what}", self.done.address)
    }

    pub fn send(&self, frame: ToAgent) {
        self.agent.wire.send(frame);
    }

    /// What it says next.
    pub async fn hears(&mut self) -> Heard<FromAgent> {
        self.agent.wire.next().await
    }

    /// Waits until it tells this, before the start. Fails if it refuses, fails or is gone.
    pub async fn tells(&mut self, is_it: fn(&FromAgent) -> bool) -> Result<FromAgent, Refusal> {
        let lost = |why: &dyn Display| format!("it was lost before the start: {why}");
        loop {
            match self.hears().await {
                Ok(frame) if is_it(&frame) => return Ok(frame),
                Ok(FromAgent::Refused(reason)) => {
                    return Err(Refusal::BadInput(self.said(reason)));
                }
                Ok(FromAgent::Failed(Refusal::Lost(why))) => {
                    return Err(Refusal::Lost(self.said(lost(&why))));
                }
                Ok(FromAgent::Failed(why)) => {
                    return Err(Refusal::BadInput(self.said(why)));
                }
                // Nothing else matters before the start.
                Ok(_) => {}
                Err(error) => return Err(Refusal::Lost(self.said(lost(&error)))),
            }
        }
    }

    /// Compares its clocks with this machine's.
    pub async fn compare_clocks(&mut self) -> Result<(), Refusal> {
        for _ in 0..CLOCK_QUESTIONS {
            let sent = Moment::now();
            self.send(ToAgent::Clock);
            let told = self.tells(|frame| matches!(frame, FromAgent::Clock(_)));
            let FromAgent::Clock(told) = told.await? else {
                continue;
            };
            let ahead = Ahead::between(sent, told, Moment::now());
            self.ahead = Some(self.ahead.map_or(ahead, |best| best.better(ahead)));
        }
        if let Some(ahead) = self.ahead {
            self.done.clock_ahead_us = ahead.wall_us;
            self.done.clock_error_us = ahead.error_us;
        }
        Ok(())
    }

    /// Takes in what was heard of it during the run; returns what follows from it for the run.
    pub fn takes_in(
        &mut self,
        index: usize,
        heard: Heard<FromAgent>,
        merging: &mut Merging,
    ) -> Result<Vec<DriverEvent>, Refusal> {
        let event = match heard {
            Ok(FromAgent::Interval { interval, cpu_pct }) => self.interval(interval, cpu_pct),
            Ok(FromAgent::Draining { in_flight }) => {
                self.draining = true;
                DriverEvent::Draining { in_flight }
            }
            Ok(FromAgent::Warning(text)) => DriverEvent::Warning(self.said(text)),
            Ok(FromAgent::Finished {
                finished,
                process_cpu,
            }) => {
                self.ended = true;
                self.done.drivers.clone_from(&finished.drivers);
                self.done.feed_reconnects = finished.feed_reconnects;
                self.done.process_cpu = process_cpu;
                DriverEvent::Finished(*finished)
            }
            Ok(FromAgent::Failed(why)) => return self.lost(index, &why, merging),
            // Of the time before the start.
            Ok(_) => return Ok(Vec::new()),
            Err(error) => return self.lost(index, &error, merging),
        };
        merging.merge(index, event)
    }

    fn interval(&mut self, mut interval: Box<Interval>, cpu_pct: f64) -> DriverEvent {
        self.until = interval.start + interval.length;
        let address = self.done.address.clone();
        interval.agents_cpu_pct = vec![(address, cpu_pct)];
        let theirs = &interval.figures.workloads;
        self.done
            .workloads
            .resize_with(theirs.len(), WorkloadFigures::default);
        for (mine, theirs) in self.done.workloads.iter_mut().zip(theirs) {
            mine.add(theirs);
        }
        DriverEvent::Interval(interval)
    }

    /// It is gone. What it has told stays; the others go on.
    fn lost(
        &mut self,
        index: usize,
        why: &dyn Display,
        merging: &mut Merging,
    ) -> Result<Vec<DriverEvent>, Refusal> {
        self.ended = true;
        let last = self.until.as_secs_f64();
        let lost = format!("lost: {why}; its last figures are of {last:.1} s after the start");
        let mut events = vec![DriverEvent::Warning(self.said(format!("it was {lost}")))];
        self.done.lost = Some(lost);
        if !self.draining {
            events.extend(merging.merge(index, DriverEvent::Draining { in_flight: 0 })?);
        }
        let (arrivals_end, drained) = (self.until, self.until);
        let driven = Driven {
            arrivals_end,
            drained,
        };
        let finished = Finished {
            arrivals_end,
            drained,
            workloads: vec![driven; self.done.workloads.len()],
            ..Finished::default()
        };
        events.extend(merging.merge(index, DriverEvent::Finished(finished))?);
        Ok(events)
    }
}
