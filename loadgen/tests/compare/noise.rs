//! Tests how often the verdict is wrong, with many comparisons of simulated builds whose difference is known.

use loadgen_report::compare::{
    Comparison, ComparisonVerdict, Group, Options, compare, compare_each,
};
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
    let [baseline, candidate] = groups(run, [1.0, slower], seed);
    compare(&baseline, &candidate, &Options::default()).unwrap()
}

/// Interleaved runs of sides that use so many times the CPU.
fn groups<const N: usize>(run: &RunFolder, factors: [f64; N], seed: u64) -> [Group; N] {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut sides, mut blocks) = ([const { Vec::new() }; N], Vec::new());
    for block in 0..BLOCKS {
        // The machine's drift affects both sides of a block alike.
        let machine = noisy(&mut random, 0.1);
        for half in 0..2 {
            blocks.push(block);
            for (side, factor) in factors.into_iter().enumerate() {
                let mut report = measured(&run.report, factor, &mut random, machine);
                report.started_at += (blocks.len() * N + side) as f64;
                sides[side].push(RunFolder {
                    path: format!("/made-up/{side}/{block}/{half}").into(),
                    report,
                    logs: run.logs.clone(),
                });
            }
        }
    }
    sides.map(|runs| Group::new("a side", runs).in_blocks(blocks.clone()))
}

#[test]
fn several_candidates_share_one_risk_of_a_false_alarm() {
    let runs = Runs::new();
    let run = RunFolder::open(&runs.add("one", 1, |_| ())).unwrap();
    let mut alarms = 0;
    for seed in 0..20 {
        let [baseline, candidates @ ..] = groups(&run, [1.0; 5], seed);

        let together = compare_each(&baseline, &candidates, &Options::default()).unwrap();

        let wrong = |c: &Comparison| c.verdict == ComparisonVerdict::Regression;
        alarms += usize::from(together.iter().any(wrong));
        for (shared, candidate) in together.iter().zip(&candidates) {
            let alone = compare(&baseline, candidate, &Options::default()).unwrap();
            for (shared, alone) in shared.figures.iter().zip(&alone.figures) {
                assert!(
                    shared.effect.p_adjusted >= alone.effect.p_adjusted,
                    "{}",
                    shared.name
                );
                assert_eq!(shared.effect.p, alone.effect.p);
            }
        }
    }
    assert!(
        alarms <= 2,
        "{alarms} of 20 comparisons of a build with itself, four times each"
    );
    let [baseline, same, slower] = groups(&run, [1.0, 1.0, 1.2], 7);
    let found = compare_each(&baseline, &[same, slower], &Options::default()).unwrap();
    assert_ne!(found[0].verdict, ComparisonVerdict::Regression);
    assert_eq!(found[1].verdict, ComparisonVerdict::Regression);
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
