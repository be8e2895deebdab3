//! Distributions over time, from a run's interval logs. They are added up slot by slot, so that only one slot's histograms are in memory at
//! a time. Knows times and histograms, but no pixels.

use std::collections::BTreeMap;

use loadgen_engine::record::Times;
use loadgen_engine::record::interval_reader::{LogReadError, RecordedLog};
use loadgen_report::Quantiles;
use loadgen_report::folder::Logs;

/// Largest number of slots; more can't be told apart on a page.
const SLOTS_MAX: u64 = 300;
/// Rows of a heat map for each power of ten; their bounds are 1, 1.33, 1.78, … times the power.
pub const BINS_PER_DECADE: f64 = 8.0;

/// The quantiles of one slot; `None` without samples.
pub type SlotQuantiles = Option<Quantiles>;

/// The distributions of a run by slot. Slot `i` covers the seconds `[i, i + 1) × slot_s` after the start of the run.
pub struct SlotTimeline {
    /// Length of a slot in seconds.
    pub slot_s: u64,
    /// Response time of all steps together, by slot.
    pub response_time: Vec<SlotQuantiles>,
    /// Number of requests by slot and `log10(µs) × BINS_PER_DECADE`, rounded down.
    pub heat: Vec<BTreeMap<i32, u64>>,
    /// End-to-end latency by awaited state and slot.
    pub end_to_end: Vec<Vec<SlotQuantiles>>,
    /// Response time of all steps over the whole run.
    pub response_total: Times,
    /// Service time of all steps over the whole run.
    pub service_total: Times,
    /// Response time of requests whose answer was an error, over the whole run.
    pub failed_total: Times,
    /// How long requests without an answer were waited for, over the whole run.
    pub unanswered_total: Times,
    /// End-to-end latency of each awaited state over the whole run.
    pub end_to_end_total: Vec<Times>,
}

/// The heat map's row of a time; everything below a microsecond is in the lowest row.
fn bin(micros: u64) -> i32 {
    ((micros.max(1) as f64).log10() * BINS_PER_DECADE).floor() as i32
}

/// Adds the intervals of a log that are in the slot to `into`.
fn add_slot(
    log: &RecordedLog,
    next: &mut usize,
    slot_end_s: f64,
    into: &mut Times,
) -> Result<(), LogReadError> {
    while let Some(interval) = log.intervals.get(*next) {
        if interval.start_s >= slot_end_s {
            return Ok(());
        }
        into.add(&Times(log.histogram(*next)?));
        *next += 1;
    }
    Ok(())
}

fn quantiles(times: &Times) -> SlotQuantiles {
    (!times.0.is_empty()).then(|| times.into())
}

/// Reads several logs in parallel, one slot at a time.
struct SlotReader<'a> {
    logs: Vec<(&'a RecordedLog, usize)>,
    total: Times,
}

impl<'a> SlotReader<'a> {
    fn new(logs: impl IntoIterator<Item = &'a RecordedLog>) -> Self {
        Self {
            logs: logs.into_iter().map(|log| (log, 0)).collect(),
            total: Times::default(),
        }
    }

    fn slot(&mut self, end_s: f64) -> Result<Times, LogReadError> {
        let mut slot = Times::default();
        for (log, next) in &mut self.logs {
            add_slot(log, next, end_s, &mut slot)?;
        }
        self.total.add(&slot);
        Ok(slot)
    }
}

impl SlotTimeline {
    /// Builds the timeline from the logs of a run.
    ///
    /// # Errors
    /// An interval can't be decoded.
    pub fn new(logs: &Logs) -> Result<Self, LogReadError> {
        let all = logs.response_time.iter().chain(&logs.end_to_end);
        let last = all.filter_map(|log| log.intervals.last());
        // A partial second at the end of the drain belongs to the slot in which it starts.
        let length_s = last
            .map(|i| i.start_s + i.length_s)
            .fold(0.0, f64::max)
            .max(1.0);
        let slot_s = (length_s / SLOTS_MAX as f64).ceil().max(1.0) as u64;
        let slots = (length_s / slot_s as f64).ceil() as u64;
        let mut response = SlotReader::new(&logs.response_time);
        let mut service = SlotReader::new(&logs.service_time);
        let mut awaits: Vec<SlotReader<'_>> = logs
            .end_to_end
            .iter()
            .map(|log| SlotReader::new([log]))
            .collect();
        let mut timeline = Self {
            slot_s,
            response_time: Vec::new(),
            heat: Vec::new(),
            end_to_end: vec![Vec::new(); awaits.len()],
            response_total: Times::default(),
            service_total: Times::default(),
            failed_total: SlotReader::new(&logs.failed_time).slot(f64::INFINITY)?,
            unanswered_total: SlotReader::new(&logs.unanswered_time).slot(f64::INFINITY)?,
            end_to_end_total: Vec::new(),
        };
        for slot in 0..slots {
            // The last slot takes the rest, so that rounding loses no interval.
            let end_s = match slot + 1 == slots {
                true => f64::INFINITY,
                false => ((slot + 1) * slot_s) as f64 - 1e-6,
            };
            let times = response.slot(end_s)?;
            timeline.response_time.push(quantiles(&times));
            let mut heat = BTreeMap::new();
            for recorded in times.0.iter_recorded() {
                let row = bin(recorded.value_iterated_to());
                *heat.entry(row).or_default() += recorded.count_at_value();
            }
            timeline.heat.push(heat);
            service.slot(end_s)?;
            for (slots, reader) in timeline.end_to_end.iter_mut().zip(&mut awaits) {
                slots.push(quantiles(&reader.slot(end_s)?));
            }
        }
        timeline.response_total = response.total;
        timeline.service_total = service.total;
        timeline.end_to_end_total = awaits.into_iter().map(|r| r.total).collect();
        Ok(timeline)
    }

    /// The run's length in seconds, up to the end of the last slot.
    pub fn length_s(&self) -> f64 {
        (self.response_time.len() as u64 * self.slot_s) as f64
    }
}
