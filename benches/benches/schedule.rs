//! loadgen's schedule: the intended starts of an open workload's arrivals. Throughput is in arrivals. The floor is a loop that multiplies
//! each arrival's number by a constant gap, which suffices for a constant rate. A generator that sends 10,000 journeys a second has 100 µs
//! for each; the schedule's part must be negligible.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use loadgen_engine::schedule::{Arrivals, Schedule, Spacing};
use loadgen_scenario::Stage;
use loadgen_scenario::share::Share;

/// Arrivals in each schedule.
const ARRIVALS: u64 = 10_000;
const SEED: u64 = 7;
/// The gap between arrivals of a constant rate, ns.
const GAP_NS: u64 = 1_000_000;

fn stage(seconds: u64, from: f64, to: f64) -> Stage {
    Stage {
        duration: Duration::from_secs(seconds),
        from,
        to,
    }
}

/// Schedules of [`ARRIVALS`] each.
fn schedules() -> [(&'static str, Schedule); 3] {
    [
        (
            "constant rate",
            Schedule::new(vec![stage(10, 1_000.0, 1_000.0)]),
        ),
        ("ramp", Schedule::new(vec![stage(10, 0.0, 2_000.0)])),
        // The last stage's arrivals are found after nine other stages.
        (
            "ten stages",
            Schedule::new(vec![stage(1, 1_000.0, 1_000.0); 10]),
        ),
    ]
}

fn schedule(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule");
    group.throughput(Throughput::Elements(ARRIVALS));
    for (name, schedule) in schedules() {
        let last = schedule.arrival_ns(ARRIVALS - 1);
        assert!(last.is_some(), "{name} has all arrivals");
        assert_eq!(schedule.arrival_ns(ARRIVALS), None, "{name} ends");
        group.bench_function(BenchmarkId::new("offsets", name), |b| {
            b.iter(|| {
                let schedule = black_box(&schedule);
                for k in 0..ARRIVALS {
                    black_box(schedule.arrival_ns(k));
                }
            });
        });
        group.bench_function(BenchmarkId::new("Poisson offsets", name), |b| {
            b.iter(|| {
                let all = black_box(&schedule).clone();
                let all = all.offsets_ns(Spacing::Poisson(SEED));
                all.for_each(|offset_ns| {
                    black_box(offset_ns);
                });
            });
        });
        for count in [1, 4] {
            let mix: Vec<(usize, f64)> = (0..count).map(|journey| (journey, 1.0)).collect();
            let id = BenchmarkId::new(format!("arrivals of {count} journeys"), name);
            group.bench_function(id, |b| {
                b.iter(|| {
                    let (even, whole) = (Spacing::Even, Share::WHOLE);
                    let all = Arrivals::scheduled(schedule.clone(), even, &mix, SEED, whole);
                    all.for_each(|arrival| {
                        black_box(arrival);
                    });
                });
            });
        }
    }
    group.bench_function("floor: a bare loop/constant rate", |b| {
        b.iter(|| {
            let gap_ns = black_box(GAP_NS);
            for k in 0..ARRIVALS {
                black_box(k * gap_ns);
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = schedule
}
criterion_main!(benches);
