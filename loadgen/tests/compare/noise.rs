//! Tests how often the verdict is wrong, with many comparisons of simulated builds whose difference is known.

use loadgen_report::compare::{Comparison, ComparisonVerdict, Group, Options, compare};
use loadgen_report::folder::RunFolder;
use loadgen_report::{Quantiles, Report};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution, StandardNormal};

use crate::runs::Runs;

/// Interleaved blocks with two runs of each side, as `loadgen ab` makes them by default.
const BLOCKS: u32 = 6;

fn noisy(random: &mut Xoshiro256PlusPlus, share: f64) -> f64 {
    let x: f64 = StandardNormal.sample(random);
    (share * x).exp()
}

fn scale(q: &mut Quantiles, factor: f64) {
    (q.p50, q.p90, q.p99, q.p999) = (
        q.p50 * factor,
        q.p90 * factor,
        q.p99 * factor,
        q.p999 * factor,
    );
}

/// A run on a noisy machine: CPU moves by 3 % from run to run, times by 15 %.
fn measured(report: &Report, slower: f64, random: &mut Xoshiro256PlusPlus, machine: f64) -> Report {
    let mut report = report.clone();
    if let Some(resources) = &mut report.resources {
        let cpu = slower * machine * noisy(random, 0.03);
        let cost = &mut resources.cpu_us_per_journey;
        for part in [&mut cost.system, &mut cost.redis, &mut cost.both] {
            *part = part.map(|us| us * cpu);
        }
        if let Some(redis) = &mut resources.redis {
            redis.commands_per_journey *= noisy(random, 0.02);
        }
    }
    scale(
        &mut report.all_steps.response_time_us,
        machine * noisy(random, 0.15),
    );
    report.journeys.per_s *= noisy(random, 0.002);
    report
}

fn compared(run: &RunFolder, slower: f64, seed: u64) -> Comparison {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut sides, mut blocks) = ([Vec::new(), Vec::new()], Vec::new());
    for block in 0..BLOCKS {
        // The machine's drift affects both sides of a block alike.
        let machine = noisy(&mut random, 0.1);
        for half in 0..2 {
            blocks.push(block);
            for (side, factor) in [1.0, slower].into_iter().enumerate() {
                sides[side].push(RunFolder {
                    path: format!("/made-up/{side}/{block}/{half}").into(),
                    report: measured(&run.report, factor, &mut random, machine),
                    logs: run.logs.clone(),
                });
            }
        }
    }
    let [baseline, candidate] = sides;
    let baseline = Group::new("baseline", baseline).in_blocks(blocks.clone());
    let candidate = Group::new("candidate", candidate).in_blocks(blocks);
    compare(&baseline, &candidate, &Options::default()).unwrap()
}

#[test]
fn a_build_against_itself_is_hardly_ever_worse_and_a_tenth_more_cpu_nearly_always_is() {
    let runs = Runs::new();
    let run = RunFolder::open(&runs.add("one", 1, |_| ())).unwrap();
    let regressions = |slower: f64, seeds: std::ops::Range<u64>| {
        let verdicts = seeds.map(|seed| compared(&run, slower, seed).verdict);
        verdicts
            .filter(|v| *v == ComparisonVerdict::Regression)
            .count()
    };
    let false_alarms = regressions(1.0, 0..40);
    let found = regressions(1.1, 100..120);
    assert!(
        false_alarms <= 2,
        "{false_alarms} of 40 comparisons of a build with itself"
    );
    assert!(
        found >= 18,
        "{found} of 20 comparisons with a build that is slower by a tenth"
    );
}
