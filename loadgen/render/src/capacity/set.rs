//! Shows searches of several systems that were made in turns: each system's result in one table, and a curve a system in each plot.

use std::path::Path;

use loadgen_report::capacity::{CapacityReport, CapacityResult, CapacitySet};

use super::{HOW, OF, answer, charts};
use crate::date;
use crate::document::{Answer, Document};
use crate::error::ReportError;
use crate::file;
use crate::markdown::markdown;
use crate::page::{Pictures, page};
use crate::plots::figure::drawn;
use crate::quantity::{known, rate};
use crate::table::{Cell, Table, Tone};
use loadgen_report::units::time;

/// Writes `capacity.md` and `capacity.html` of all systems.
///
/// # Errors
/// A plot can't be drawn or a file can't be written.
pub fn write_all(set: &CapacitySet, folder: &Path) -> Result<(), ReportError> {
    let document = document(set);
    let plots = charts::of_all(set).into_iter().map(drawn);
    let pictures = Pictures {
        plots: plots.collect::<Result<_, _>>()?,
        ..Pictures::default()
    };
    file::write(folder, "capacity.md", &markdown(&document))?;
    file::write(folder, "capacity.html", &page(&document, &pictures)?)
}

/// Searches of several systems.
pub fn document(set: &CapacitySet) -> Document {
    let first = set.searches.first();
    let answers = set.searches.iter().map(|search| {
        let found = answer(search);
        format!("{}: {}", search.name(), found.word)
    });
    let all_found = set
        .searches
        .iter()
        .all(|s| s.result == CapacityResult::Found);
    let facts = first.map(|report| {
        let (s, e) = (&report.setting, &report.environment);
        [
            format!(
                "{} · {} cores, {} {} · differs as asked: {}",
                date::shown(report.started_at),
                e.cores,
                e.os,
                e.arch,
                set.varied
            ),
            format!(
                "probes of {:.0} s, {:.0} s of them warm-up, the systems in turns; precision {:.0} %, seed {}",
                s.probe_s,
                s.warm_up_s,
                s.precision * 100.0,
                s.seed
            ),
        ]
    });
    Document {
        title: first.map_or_else(String::new, |r| r.setting.scenario.clone()),
        description: first.map_or_else(String::new, |r| r.setting.description.clone()),
        facts: facts
            .into_iter()
            .flatten()
            .chain(first.and_then(|r| r.environment.built_with()))
            .collect(),
        answer: Answer {
            word: match all_found {
                true => "every system's capacity is known".to_owned(),
                false => "not every system's capacity is known".to_owned(),
            },
            tone: if all_found { Tone::Good } else { Tone::Unsure },
            meaning: "",
            reasons: answers.collect(),
        },
        errors: Vec::new(),
        warnings: first
            .and_then(|r| r.environment.build_warning())
            .into_iter()
            .collect(),
        deciding: vec![table(set)],
        tables: Vec::new(),
        settings: Vec::new(),
        notes: vec![
            HOW.to_owned(),
            OF.to_owned(),
            "Each system's own report, with its probes, is in its folder.".to_owned(),
        ],
    }
}

/// A row a system.
fn table(set: &CapacitySet) -> Table {
    let is_named = |search: &CapacityReport| {
        let redis = search.environment.redis();
        redis.is_none_or(|redis| search.name().contains(&redis))
    };
    // Where the servers are what differs, the systems are named after them.
    let has_redis = !set.searches.iter().all(is_named);
    let rows = set.searches.iter().map(|search| {
        let at = |rate: Option<f64>| {
            let probes = search.probes.iter();
            probes.rev().find(|p| Some(p.rate_per_s) == rate)
        };
        let best = at(search.rate_per_s);
        let e = &search.environment;
        let shown = |text: Option<String>| text.unwrap_or_else(|| crate::quantity::NONE.to_owned());
        let redis = has_redis.then(|| shown(e.redis()).into());
        let figures: [Cell; 7] = [
            shown(e.durability.clone()).into(),
            known(search.rate_per_s, rate).into(),
            known(search.exceeded_per_s, rate).into(),
            known(best, |p| time(p.response_time_us.p50)).into(),
            known(best, |p| time(p.response_time_us.p99)).into(),
            known(best, |p| format!("{:.2}", p.cpu_sum_pct() / 100.0)).into(),
            // With their shares they would fill the page; those are shown on hovering, and in the system's own report.
            Cell::from(
                search
                    .saturated
                    .iter()
                    .map(|s| short(s))
                    .collect::<Vec<_>>()
                    .join(", "),
            )
            .more(search.saturated.join("\n")),
        ];
        let name = Cell::from(search.name());
        std::iter::once(name).chain(redis).chain(figures)
    });
    Table::new("systems", "Systems")
        .words(["system"])
        .words(has_redis.then_some("Redis"))
        .words(["durability"])
        .numbers(["sustained", "too high", "response p50", "p99", "CPU, cores"])
        .words(["at its limit beyond"])
        .rows::<Cell, _>(rows)
        .note("Times and CPU are those of the last probe at the sustained rate.")
}

/// What was at its limit, without the shares in brackets after it.
fn short(saturated: &str) -> &str {
    saturated.split(" (").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen_report::Environment;
    use loadgen_report::capacity::{Findings, SearchSetting};

    fn searched(label: &str) -> CapacityReport {
        let environment = Environment {
            redis_server: Some("redis".to_owned()),
            redis_version: Some("7.0.15".to_owned()),
            ..Environment::default()
        };
        let setting = SearchSetting {
            scenario: "gets".to_owned(),
            description: String::new(),
            seed: 1,
            probe_s: 20.0,
            warm_up_s: 4.0,
            precision: 0.05,
        };
        let findings = Findings {
            lost: None,
            result: CapacityResult::Budget,
            rate_per_s: None,
            exceeded_per_s: None,
            probes: Vec::new(),
        };
        CapacityReport {
            label: Some(label.to_owned()),
            saturated: vec![
                "the machine (1.60 of 2 cores: a 94 %, b 31 %)".to_owned(),
                "the system's CPU (a 94 % of a core)".to_owned(),
            ],
            ..CapacityReport::new(0.0, setting, environment, findings)
        }
    }

    #[test]
    fn a_row_a_system_says_what_fits_into_it_and_the_server_once() {
        for (label, has_redis) in [
            ("threads=1", true),
            ("redis 7.0.15 (/usr/bin/redis-server)", false),
        ] {
            let table = table(&CapacitySet::new("x".into(), vec![searched(label)]));
            let headings: Vec<&str> = table.columns.iter().map(|c| c.heading.as_str()).collect();
            assert_eq!(headings.contains(&"Redis"), has_redis, "{headings:?}");
            assert_eq!(table.rows[0].len(), headings.len());
            let limit = table.rows[0].last().unwrap();
            assert_eq!(limit.text, "the machine, the system's CPU");
            assert!(limit.more.contains("b 31 %"), "{}", limit.more);
        }
    }
}
