//! The key figures at the top of the page.

use crate::page::Tile;
use crate::quantity::time_or_none;
use loadgen_report::Report;
use loadgen_report::units::{count, time};

/// Replaces spaces by non-breaking ones, so that lines break only after commas.
fn unbroken(text: &str) -> String {
    let parts: Vec<String> = text
        .split(", ")
        .map(|part| part.replace(' ', "\u{a0}").replace('\u{2009}', "\u{202f}"))
        .collect();
    parts.join(", ")
}

/// The key figures of a report.
pub fn tiles(report: &Report) -> Vec<Tile> {
    let mut tiles = key_figures(report);
    for tile in &mut tiles {
        tile.value = unbroken(&tile.value);
        tile.more = unbroken(&tile.more);
    }
    tiles
}

fn key_figures(report: &Report) -> Vec<Tile> {
    let (journeys, all) = (&report.journeys, &report.all_steps);
    let response = &all.response_time_us;
    let asked = report
        .workload
        .rate
        .map_or_else(String::new, |r| format!("{r:.1}/s asked, "));
    let mut tiles = vec![
        Tile {
            name: "response time p99",
            value: time_or_none(response, response.p99),
            more: format!(
                "p50 {}, max {}",
                time_or_none(response, response.p50),
                time_or_none(response, response.max)
            ),
        },
        Tile {
            name: "journeys completed",
            value: format!("{:.1}/s", journeys.per_s),
            more: format!("{asked}{} in all", count(journeys.completed)),
        },
        Tile {
            name: "requests",
            value: format!("{}/s", count(all.per_s.round() as u64)),
            more: format!("{} in {:.1} s", count(all.count), report.duration_s),
        },
        Tile {
            name: "errors",
            value: count(report.errors.iter().map(|e| e.count).sum()),
            more: match all.unanswered {
                0 => format!("{} journeys failed", count(journeys.failed)),
                n => format!(
                    "{} journeys failed, {} requests unanswered",
                    count(journeys.failed),
                    count(n)
                ),
            },
        },
    ];
    let worst = report.end_to_end.iter().filter(|e| e.count > 0);
    if let Some(worst) = worst.max_by(|a, b| a.p99_us.total_cmp(&b.p99_us)) {
        tiles.push(Tile {
            name: "end to end p99",
            value: time(worst.p99_us),
            more: format!("{}, p50 {}", worst.name, time(worst.p50_us)),
        });
    }
    let lag = &report.event_lag_all;
    if lag.count > 0 {
        tiles.push(Tile {
            name: "event lag p99",
            value: format!("≤ {}", time(lag.p99)),
            more: format!("p50 ≤ {}, {} events", time(lag.p50), count(lag.count)),
        });
    }
    if let Some(backlog) = report.drain.backlog_end {
        tiles.push(Tile {
            name: "backlog at the end",
            value: count(backlog),
            more: format!("after {}", time(report.drain.backlog_s * 1e6)),
        });
    }
    tiles.push(Tile {
        name: "schedule slip p99",
        value: time_or_none(
            &report.generator.schedule_slip_us,
            report.generator.schedule_slip_us.p99,
        ),
        more: format!("generator's CPU {:.0} %", report.generator.cpu_pct),
    });
    tiles
}
