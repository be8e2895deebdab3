//! What a journey cost the target: CPU, Redis commands, bytes, batches, memory. The difference of two looks, divided by the journeys
//! completed between them. Pure; must not know who looks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use loadgen_engine::scrape::Scrape;

/// One look at the target.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// CPU time by process, for a system that was started here.
    pub cpu: BTreeMap<String, Duration>,
    /// Largest resident set by process so far, bytes.
    pub memory_peaks: BTreeMap<String, u64>,
    /// Its metrics, if it tells any.
    pub scrape: Option<Scrape>,
    /// Journeys completed and recorded so far.
    pub journeys: u64,
}

/// What completed journeys cost on average, from the end of the warm-up until the backlog had drained. The tail of journeys begun in the
/// warm-up, the looks at `/metrics` and what the system does while it waits are in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Completed journeys that everything was divided by.
    pub journeys: u64,
    /// CPU, microseconds a journey.
    pub cpu_us_per_journey: CpuCost,
    /// The same of each process, where the system was started here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes_cpu_us_per_journey: BTreeMap<String, f64>,
    /// What Redis had to do, where the target tells.
    pub redis: Option<RedisCost>,
    /// Events in a group commit of the event store, on average.
    pub events_per_append: Option<f64>,
    /// Messages that a worker took from its queue at once, on average.
    pub messages_per_take: Option<f64>,
    /// Largest resident set since its start, bytes, of each process of a system that was started here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memory_peak_bytes: BTreeMap<String, u64>,
}

/// CPU, microseconds a journey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuCost {
    /// Of the system without its Redis, where it was started here.
    pub system: Option<f64>,
    /// Of Redis, where it tells or was started here.
    pub redis: Option<f64>,
    /// Both together, where both are known.
    pub both: Option<f64>,
}

/// What Redis had to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RedisCost {
    /// Commands a journey, each one of a transaction counted.
    pub commands_per_journey: f64,
    /// Bytes a journey that it read from its clients.
    pub input_bytes_per_journey: f64,
    /// Bytes a journey that it wrote to its clients.
    pub output_bytes_per_journey: f64,
    /// Bytes that its data took at the end.
    pub memory_bytes: f64,
}

/// Whether a process is the database.
fn is_redis(process: &str) -> bool {
    process.starts_with("redis") || process.starts_with("valkey")
}

impl Resources {
    /// Of two looks; nothing without completed journeys between them, or where neither look saw anything.
    pub fn between(before: &Reading, after: &Reading) -> Option<Self> {
        let journeys = after.journeys.checked_sub(before.journeys)?;
        if journeys == 0 {
            return None;
        }
        let each = |amount: f64| amount / journeys as f64;
        let looks = before.scrape.as_ref().zip(after.scrape.as_ref());
        let told = looks.and_then(|(b, a)| b.redis.zip(a.redis));
        // A server that was started again meanwhile counts from nothing: that is no difference.
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
        // Its own figure is finer than the kernel's ticks.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use super::*;
    use loadgen_engine::scrape::RedisUsage;

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
        let before = reading(100, 1_000, redis(5_000.0, 1.0));
        let after = reading(300, 1_400, redis(15_000.0, 1.1));
        let cost = Resources::between(&before, &after).unwrap();
        assert_eq!(cost.journeys, 200);
        assert_eq!(cost.redis.unwrap().commands_per_journey, 50.0);
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
