//! loadgen's recording: adding a finished request to the present interval, and merging intervals. Throughput is in recorded times and in
//! merged intervals. The floors are HdrHistogram's own `record` of the same microseconds, and its own `add` of as many histograms.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;
use loadgen_engine::record::{Figures, Times};

/// Times recorded in one iteration.
const TIMES: usize = 10_000;
/// The precision of loadgen's histograms.
const SIGNIFICANT_DIGITS: u8 = 3;
/// Steps of a scenario as large as the checkout.
const STEPS: usize = 8;
/// States that the scenario waits for.
const AWAITS: usize = 3;
/// Histograms in its figures: three a step, one an awaited state, and one of the schedule slip.
const HISTOGRAMS: usize = 3 * STEPS + AWAITS + 1;

/// Times from 100 µs to some 100 ms, most of them short, in no order.
fn times() -> Vec<Duration> {
    let mut state = 1_u64;
    let mut time = || {
        // Knuth's linear congruential generator; its upper bits are good enough here.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let exponent = (state >> 60).leading_zeros() - 60;
        Duration::from_micros(100 + (((state >> 30) & 0x1FFF) >> exponent) * 12)
    };
    (0..TIMES).map(|_| time()).collect()
}

fn histogram() -> Histogram<u64> {
    Histogram::new(SIGNIFICANT_DIGITS).expect("3 digits are within what a histogram can do")
}

fn record(c: &mut Criterion) {
    let times = times();
    let micros: Vec<u64> = times.iter().map(|t| t.as_micros() as u64).collect();
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(TIMES as u64));
    group.bench_function(BenchmarkId::new("record", TIMES), |b| {
        let mut recorded = Times::default();
        b.iter(|| {
            for time in black_box(&times) {
                recorded.record(*time);
            }
        });
    });
    group.bench_function(
        BenchmarkId::new("floor: HdrHistogram's record", TIMES),
        |b| {
            let mut recorded = histogram();
            b.iter(|| {
                for micros in black_box(&micros) {
                    recorded.saturating_record(*micros);
                }
            });
        },
    );
    group.finish();
}

/// An interval of one second in which every histogram has all times.
fn interval(times: &[Duration]) -> Figures {
    let mut figures = Figures::new(STEPS, AWAITS, 1);
    for time in times {
        for step in &mut figures.steps {
            step.response_time.record(*time);
            step.service_time.record(*time);
            step.slip.record(*time);
        }
        for awaited in &mut figures.awaits {
            awaited.end_to_end.record(*time);
        }
        figures.started(0, *time);
    }
    figures
}

fn merge(c: &mut Criterion) {
    let times = times();
    let second = interval(&times);
    let one = second.schedule_slip().0;
    let mut group = c.benchmark_group("merge an interval");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("add/{HISTOGRAMS} histograms"), |b| {
        let mut whole = interval(&times);
        b.iter(|| whole.add(black_box(&second)));
    });
    group.bench_function(format!("take/{HISTOGRAMS} histograms"), |b| {
        let taken = |figures: &mut Figures| figures.take();
        b.iter_batched_ref(|| second.clone(), taken, BatchSize::SmallInput);
    });
    group.bench_function(
        format!("floor: HdrHistogram's add/{HISTOGRAMS} histograms"),
        |b| {
            let mut whole = vec![one.clone(); HISTOGRAMS];
            b.iter(|| {
                for histogram in &mut whole {
                    let added = histogram.add(black_box(&one));
                    added.expect("both have the same range");
                }
            });
        },
    );
    group.finish();
}

criterion_group! {
    name = benches;
    config = ordershop_benches::criterion();
    targets = record, merge
}
criterion_main!(benches);
