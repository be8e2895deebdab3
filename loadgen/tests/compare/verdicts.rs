//! Tests the verdicts on two builds.

use std::collections::BTreeMap;

use loadgen_report::compare::blocks::Blocks;
use serde_json::{Value, json};

use crate::runs::{Runs, resources};
use crate::{compare_report, text};

#[test]
fn a_build_that_costs_a_tenth_more_is_a_regression_and_one_that_does_not_is_none() {
    let runs = Runs::new();
    let (before, slower, same) = (
        runs.side("before", 3_000.0),
        runs.side("slower", 3_300.0),
        runs.side("same", 3_003.0),
    );

    let worse = compare_report(&[text(&before), text(&slower)]);
    let better = compare_report(&[text(&slower), text(&before)]);
    let none = compare_report(&[text(&before), text(&same)]);

    assert_eq!(worse.code, 1, "{}{}", worse.out, worse.problem);
    assert!(
        worse
            .out
            .contains("verdict: REGRESSION\n  cpu_per_journey is worse: +10.0 %"),
        "{}",
        worse.out
    );
    assert_eq!(better.code, 0, "{}{}", better.out, better.problem);
    assert!(
        better.out.contains("| better |") || better.out.contains(" better |"),
        "{}",
        better.out
    );
    assert_eq!(none.code, 0, "{}{}", none.out, none.problem);
    assert!(
        none.out
            .contains("verdict: NO REGRESSION\n  cpu_per_journey: +0.1 %"),
        "{}",
        none.out
    );
    assert!(none.out.contains("would be found"), "{}", none.out);
}

#[test]
fn a_figure_that_falls_to_0_or_rises_from_it_is_judged() {
    let runs = Runs::new();
    let side = |name: &str, per_s: f64| {
        for (i, noise) in [1.0, 1.01, 0.99].into_iter().enumerate() {
            runs.add(name, i + 1, |report| {
                report["journeys"]["per_s"] = json!(per_s * noise);
            });
        }
        runs.path(name)
    };
    let (some, none, also_none) = (side("some", 50.0), side("none", 0.0), side("also", 0.0));

    let fallen = compare_report(&[text(&some), text(&none)]);
    let risen = compare_report(&[text(&none), text(&some)]);
    let same = compare_report(&[text(&none), text(&also_none)]);

    assert_eq!(fallen.code, 1, "{}{}", fallen.out, fallen.problem);
    assert!(
        fallen.out.contains("journeys.per_s is worse: -100.0 %"),
        "{}",
        fallen.out
    );
    assert_eq!(risen.code, 0, "{}{}", risen.out, risen.problem);
    let row = risen.out.lines().find(|l| l.contains("journeys.per_s"));
    let row = row.unwrap();
    assert!(row.contains("from 0") && row.contains("better"), "{row}");
    assert_eq!(same.code, 0, "{}{}", same.out, same.problem);
    assert!(
        same.out
            .lines()
            .any(|l| l.contains("journeys.per_s") && l.contains("same"))
    );
}

#[test]
fn one_run_a_side_shows_ratios_but_no_answer() {
    let runs = Runs::new();
    let before = runs.add("before", 1, |_| ());
    let after = runs.add("after", 1, |report| {
        report["resources"] = resources(3_600.0, 100.0)
    });
    let said = compare_report(&[text(&before.join("report.json")), text(&after)]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.problem);
    assert!(
        said.out.contains("CAN'T TELL") && said.out.contains("+20.0 %"),
        "{}",
        said.out
    );
}

#[test]
fn a_rule_takes_the_place_of_the_defaults_and_knows_how_much_is_too_much() {
    let runs = Runs::new();
    let (before, after) = (runs.side("before", 3_000.0), runs.side("after", 3_300.0));
    let with = |rules: &[&str]| {
        let rules = rules.iter().flat_map(|rule| ["--fail-on", rule]);
        let arguments: Vec<&str> = [text(&before), text(&after)]
            .into_iter()
            .chain(rules)
            .collect();
        compare_report(&arguments).code
    };
    assert_eq!(with(&["cpu_per_journey > +5%"]), 1);
    assert_eq!(with(&["cpu_per_journey > +20%"]), 0);
    assert_eq!(with(&["journeys.per_s < -5%"]), 0);
    assert_eq!(
        with(&["step[\"get thing\"].p(99) > +10%", "cpu_per_journey > 5%"]),
        1
    );
}

#[test]
fn blocks_take_out_what_the_machine_did_to_both_sides() {
    let runs = Runs::new();
    for block in 0..6_u32 {
        for half in 0..2 {
            let number = (2 * block + half) as usize;
            // From block to block the machine becomes slower by far more than the difference between the builds.
            let machine = 1.0 + 0.15 * f64::from(block) + 0.01 * f64::from(half);
            for (side, cost) in [("before", 3_000.0), ("after", 3_300.0)] {
                runs.add(side, number, |r| {
                    r["resources"] = resources(cost * machine, 100.0)
                });
            }
        }
    }
    let (before, after) = (runs.path("before"), runs.path("after"));
    let as_sets = compare_report(&[text(&before), text(&after)]);
    let blocks: BTreeMap<String, u32> = (0..12).map(|n| (format!("{n:02}"), n / 2)).collect();
    for side in [&before, &after] {
        Blocks::new(blocks.clone()).write(side).unwrap();
    }
    let in_blocks = compare_report(&[text(&before), text(&after), "--format", "json"]);

    assert_eq!(as_sets.code, 3, "{}", as_sets.out);
    assert_eq!(in_blocks.code, 1, "{}{}", in_blocks.out, in_blocks.problem);
    let told: Value = serde_json::from_str(&in_blocks.out).unwrap();
    assert_eq!(told["schema"], "loadgen-comparison/2");
    assert_eq!(
        (&told["design"], &told["units"]),
        (&json!("blocks"), &json!(6))
    );
    let cpu = &told["figures"][0];
    assert_eq!(
        (&cpu["name"], &cpu["verdict"]),
        (&json!("cpu_per_journey"), &json!("worse"))
    );
}

#[test]
fn a_candidate_that_does_wrong_is_a_regression_however_fast_it_is() {
    let runs = Runs::new();
    let (before, after) = (runs.side("before", 3_000.0), runs.side("after", 2_000.0));
    let audit = json!({"drain_s": 0.0, "audit_s": 0.0, "events": 1, "entities": 1, "checks": [
        {"name": "stock", "checked": 1, "of": "products", "fell": 1, "offenders": []}]});
    runs.add("after", 7, |report| report["audit"] = audit.clone());
    let said = compare_report(&[text(&before), text(&after)]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.problem);
    assert!(
        said.out.contains("audit") && said.out.contains("stock"),
        "{}",
        said.out
    );
}

#[test]
fn the_markdown_says_the_answer_first_and_folds_the_rest_away() {
    let runs = Runs::new();
    let (before, after) = (runs.side("before", 3_000.0), runs.side("after", 3_300.0));
    let file = runs.path("comparison.md");
    let said = compare_report(&[
        text(&before),
        text(&after),
        "--format",
        "markdown",
        "--out",
        text(&file),
    ]);
    let told = std::fs::read_to_string(&file).unwrap();
    assert_eq!(said.code, 1);
    assert!(said.out.starts_with("verdict: REGRESSION"), "{}", said.out);
    assert!(told.starts_with("# ❌ "), "{told}");
    let worse = told
        .lines()
        .find(|l| l.starts_with("| `cpu_per_journey` "))
        .unwrap();
    assert!(worse.ends_with("❌ worse |"), "{worse}");
    assert!(
        told.find("worse |").unwrap() < told.find("<details>").unwrap(),
        "{told}"
    );
}
