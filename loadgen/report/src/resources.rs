//! The cost of a journey on the target: CPU, Redis commands, bytes, batches, memory. It is the difference of two readings, divided by
//! the journeys completed between them. Pure; must not know who takes the readings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use loadgen_engine::scrape::{RedisUsage, Scrape};

/// One reading of the target's counters.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// CPU time of each process, for a system that was started here.
    pub cpu: BTreeMap<String, Duration>,
    /// Largest resident set of each process so far, in bytes.
    pub memory_peaks: BTreeMap<String, u64>,
    /// The target's metrics, if it exposes any.
    pub scrape: Option<Scrape>,
    /// Completed journeys recorded so far.
    pub journeys: u64,
}

/// Average cost of a completed journey, from the end of the warm-up until the backlog had drained. It includes the rest of journeys that
/// began in the warm-up, the scrapes of `/metrics`, and the system's idle work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Completed journeys, the divisor of every cost.
    pub journeys: u64,
    /// CPU of system and Redis, in microseconds a journey.
    pub cpu_us_per_journey: CpuCost,
    /// CPU of each process, in microseconds a journey, if the system was started here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes_cpu_us_per_journey: BTreeMap<String, f64>,
    /// The work of Redis, if the target exposes it.
    pub redis: Option<RedisCost>,
    /// Average number of events in a group commit of the event store.
    pub events_per_append: Option<f64>,
    /// Average number of messages that a worker takes from its queue at once.
    pub messages_per_take: Option<f64>,
    /// Largest resident set of each process since its start, in bytes, if the system was started here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memory_peak_bytes: BTreeMap<String, u64>,
}

/// CPU in microseconds a journey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuCost {
    /// CPU of the system without its Redis, if it was started here.
    pub system: Option<f64>,
    /// CPU of Redis, if the target exposes it or was started here.
    pub redis: Option<f64>,
    /// The sum, if both are known.
    pub both: Option<f64>,
}

/// The work of Redis for one journey.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RedisCost {
    /// Commands a journey; each command of a transaction counts.
    pub commands_per_journey: f64,
    /// Calls a journey of each command, those within scripts too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls_per_journey: BTreeMap<String, f64>,
    /// Bytes a journey that Redis read from its clients.
    pub input_bytes_per_journey: f64,
    /// Bytes a journey that Redis wrote to its clients.
    pub output_bytes_per_journey: f64,
    /// Memory of Redis's data at the end, in bytes.
    pub memory_bytes: f64,
}

/// Whether a process is Redis or Valkey.
fn is_redis(process: &str) -> bool {
    process.starts_with("redis") || process.starts_with("valkey")
}

impl Resources {
    /// The cost between two readings; `None` without completed journeys between them, or if the readings hold no cost.
    pub fn between(before: &Reading, after: &Reading) -> Option<Self> {
        let journeys = after.journeys.checked_sub(before.journeys)?;
        if journeys == 0 {
            return None;
        }
        let each = |amount: f64| amount / journeys as f64;
        let looks = before.scrape.as_ref().zip(after.scrape.as_ref());
        let told = looks.and_then(|(b, a)| b.redis.as_ref().zip(a.redis.as_ref()));
        // A server that was restarted in between counts from 0, so that a difference would be wrong.
        let told = told.filter(|(b, a)| a.commands >= b.commands && a.cpu_s >= b.cpu_s);
        let mut processes = BTreeMap::new();
        for (name, now) in &after.cpu {
            let cpu = now.saturating_sub(before.cpu.get(name).copied().unwrap_or_default());
            processes.insert(name.clone(), each(cpu.as_secs_f64() * 1e6));
        }
        let sum = |redis: bool| {
            let of = processes.iter().filter(|(name, _)| is_redis(name) == redis);
            of.map(|(_, us)| *us).reduce(|a, b| a + b)
        };
        let system = sum(false);
        // Redis's own figure is finer than the kernel's ticks.
        let redis = told
            .map(|(b, a)| each((a.cpu_s - b.cpu_s) * 1e6))
            .or_else(|| sum(true));
        let resources = Self {
            journeys,
            cpu_us_per_journey: CpuCost {
                system,
                redis,
                both: system.zip(redis).map(|(s, r)| s + r),
            },
            redis: told.map(|(b, a)| RedisCost {
                commands_per_journey: each(a.commands - b.commands),
                calls_per_journey: calls_between(b, a)
                    .map(|(command, calls)| (command, each(calls)))
                    .collect(),
                input_bytes_per_journey: each(a.input_bytes - b.input_bytes),
                output_bytes_per_journey: each(a.output_bytes - b.output_bytes),
                memory_bytes: a.memory_bytes,
            }),
            events_per_append: looks
                .and_then(|(b, a)| a.append_batches.mean_since(&b.append_batches)),
            messages_per_take: looks
                .and_then(|(b, a)| a.queue_batches.mean_since(&b.queue_batches)),
            processes_cpu_us_per_journey: processes,
            memory_peak_bytes: after.memory_peaks.clone(),
        };
        let known = system.is_some() || redis.is_some() || resources.events_per_append.is_some();
        known.then_some(resources)
    }
}

/// The calls of each command between two readings, without commands that weren't called.
fn calls_between(before: &RedisUsage, after: &RedisUsage) -> impl Iterator<Item = (String, f64)> {
    let calls = after.calls.iter().map(|(command, now)| {
        let earlier = before.calls.get(command).copied().unwrap_or_default();
        (command.clone(), now - earlier)
    });
    calls.filter(|(_, calls)| *calls > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(journeys: u64, shop_ms: u64, redis: RedisUsage) -> Reading {
        let cpu = |name: &str, ms: u64| (name.to_owned(), Duration::from_millis(ms));
        Reading {
            cpu: BTreeMap::from([
                cpu("ordershop up", shop_ms),
                cpu("redis-server", 2 * shop_ms),
            ]),
            scrape: Some(Scrape {
                redis: Some(redis),
                ..Scrape::default()
            }),
            journeys,
            ..Reading::default()
        }
    }

    fn redis(commands: f64, cpu_s: f64) -> RedisUsage {
        RedisUsage {
            commands,
            cpu_s,
            ..RedisUsage::default()
        }
    }

    #[test]
    fn what_lies_between_two_looks_is_shared_by_the_journeys_completed_there() {
        let mut earlier = redis(5_000.0, 1.0);
        let mut later = redis(15_000.0, 1.1);
        earlier.calls = [("xadd".to_owned(), 100.0), ("time".to_owned(), 7.0)].into();
        later.calls = [("xadd", 700.0), ("time", 7.0), ("get", 50.0)]
            .map(|(command, calls)| (command.to_owned(), calls))
            .into();
        let (before, after) = (reading(100, 1_000, earlier), reading(300, 1_400, later));
        let cost = Resources::between(&before, &after).unwrap();
        assert_eq!(cost.journeys, 200);
        let redis = cost.redis.unwrap();
        assert_eq!(redis.commands_per_journey, 50.0);
        let calls: Vec<_> = redis.calls_per_journey.into_iter().collect();
        assert_eq!(calls, [("get".to_owned(), 0.25), ("xadd".to_owned(), 3.0)]);
        let cpu = cost.cpu_us_per_journey;
        assert!((cpu.system.unwrap() - 2_000.0).abs() < 1e-6, "{cpu:?}");
        assert!(
            (cpu.redis.unwrap() - 500.0).abs() < 1e-6,
            "its own figure: {cpu:?}"
        );
        assert!((cpu.both.unwrap() - 2_500.0).abs() < 1e-6, "{cpu:?}");
    }

    #[test]
    fn a_redis_that_was_started_again_is_told_by_its_process_alone() {
        let before = reading(0, 1_000, redis(5_000.0, 1.0));
        let after = reading(100, 1_100, redis(10.0, 0.1));
        let cost = Resources::between(&before, &after).unwrap();
        assert_eq!(cost.redis, None);
        assert!((cost.cpu_us_per_journey.redis.unwrap() - 2_000.0).abs() < 1e-6);
    }

    #[test]
    fn without_completed_journeys_nothing_is_said() {
        let look = reading(5, 1_000, redis(1.0, 1.0));
        assert_eq!(Resources::between(&look, &look), None);
    }
}
