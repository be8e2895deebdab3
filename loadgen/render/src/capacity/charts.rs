//! The plots of a search, against the rate asked for, with the result marked. Must not know how a plot is drawn.

use crate::plots::axis::Axis;
use crate::plots::charts::Chart;
use crate::plots::colour::{BLUE, Colour, GREEN, LINES, PURPLE, VERMILION};
use crate::plots::plot::{Band, Mark, Plot, PlotLine, Strip};
use loadgen_report::Quantiles;
use loadgen_report::capacity::{CapacityReport, CapacitySet, Probe, shares};
use loadgen_report::units::time;

use crate::quantity::{known, rate};

/// All plots.
pub fn charts(report: &CapacityReport) -> Vec<Chart> {
    let by_rate = ByRate::new(report);
    match by_rate.rates.is_empty() {
        true => Vec::new(),
        false => vec![by_rate.latency(), by_rate.throughput(), by_rate.cpu()],
    }
}

/// The plots of several systems: a line a system.
pub fn of_all(set: &CapacitySet) -> Vec<Chart> {
    let all: Vec<ByRate<'_>> = set.searches.iter().map(ByRate::new).collect();
    if all.iter().all(|by_rate| by_rate.rates.is_empty()) {
        return Vec::new();
    }
    let lines = |figure: fn(&Probe) -> f64| -> Vec<PlotLine> {
        let named = all.iter().zip(LINES);
        let lines =
            named.map(|(by_rate, colour)| by_rate.line(by_rate.report.name(), colour, figure));
        lines.collect()
    };
    let highest = all
        .iter()
        .flat_map(|b| b.rates.iter().map(|(rate, _)| *rate));
    let highest = highest.fold(0.0, f64::max);
    let chart = |id, title: &str, note: &str, y_name: &str, lines: Vec<PlotLine>, y: Axis| Chart {
        id,
        title: title.into(),
        note: note.into(),
        plot: Plot {
            description: title.to_owned(),
            x: Axis::amount(std::iter::once(highest), "/s"),
            y,
            y_name: y_name.to_owned(),
            lines,
            cells: Vec::new(),
            warm_up: None,
            marks: marks_of_all(set),
            bands: Vec::new(),
            strips: strips_of_all(&all),
        },
    };
    let values = |lines: &[PlotLine]| -> Vec<f64> {
        let points = lines.iter().flat_map(|l| l.points.iter().flatten());
        points.map(|(_, y)| *y).collect()
    };
    let (latency, reached) = (
        lines(|p| of_times(p, |q| q.p99)),
        lines(|p| p.reached_per_s),
    );
    let (times, rates) = (values(&latency), values(&reached));
    vec![
        chart(
            "latency",
            "Response time p99 against rate",
            "Of several probes at one rate, the median probe. A system's capacity is where its line turns upwards.",
            "p99, log scale",
            latency,
            Axis::micros(times.into_iter()),
        ),
        chart(
            "throughput",
            "Throughput against rate",
            "Journeys completed a second while they arrived.",
            "journeys a second",
            reached,
            Axis::amount(rates.into_iter(), "/s"),
        ),
    ]
}

/// The rates that the systems sustain; systems that sustain the same share a mark.
fn marks_of_all(set: &CapacitySet) -> Vec<Mark> {
    let mut held: Vec<f64> = set.searches.iter().filter_map(|s| s.rate_per_s).collect();
    held.sort_by(f64::total_cmp);
    held.dedup();
    let marks = held.into_iter().map(|held| Mark {
        x: held,
        label: format!("sustained: {}", rate(held)),
    });
    marks.collect()
}

/// The hover strips of several systems: of each rate, each system's probes.
fn strips_of_all(all: &[ByRate<'_>]) -> Vec<Strip> {
    let rates = all
        .iter()
        .flat_map(|b| b.rates.iter().map(|(rate, _)| *rate));
    let mut rates: Vec<f64> = rates.collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let strips = rates.iter().enumerate().map(|(i, at)| {
        let of = |by_rate: &ByRate<'_>| {
            let probes = by_rate.rates.iter().find(|(rate, _)| rate == at);
            let said = |(_, probes): &(f64, Vec<&Probe>)| -> String {
                probes.iter().map(|p| shortly_said(p)).collect()
            };
            probes.map(|probes| format!("\n{}{}", by_rate.report.name(), said(probes)))
        };
        Strip {
            x: halfway(&rates, i),
            text: format!(
                "{} asked{}",
                rate(*at),
                all.iter().filter_map(of).collect::<String>()
            ),
        }
    });
    strips.collect()
}

/// From halfway to the rate before to halfway to the rate after.
fn halfway(rates: &[f64], i: usize) -> (f64, f64) {
    let at = rates[i];
    let middle = |other: Option<&f64>| other.map(|other| (other + at) / 2.0);
    let before = i.checked_sub(1).and_then(|before| rates.get(before));
    (
        middle(before).unwrap_or(0.0),
        middle(rates.get(i + 1)).unwrap_or(at * 1.06),
    )
}

/// The probes grouped by rate.
struct ByRate<'a> {
    report: &'a CapacityReport,
    rates: Vec<(f64, Vec<&'a Probe>)>,
}

impl<'a> ByRate<'a> {
    fn new(report: &'a CapacityReport) -> Self {
        let mut rates: Vec<(f64, Vec<&Probe>)> = Vec::new();
        for probe in &report.probes {
            match rates.iter_mut().find(|(rate, _)| *rate == probe.rate_per_s) {
                Some((_, probes)) => probes.push(probe),
                None => rates.push((probe.rate_per_s, vec![probe])),
            }
        }
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { report, rates }
    }

    /// A line with one point for each rate: the median probe by the rate reached; of two probes the better one, because disturbances only make
    /// a probe worse.
    fn line(&self, name: &str, colour: Colour, figure: impl Fn(&Probe) -> f64) -> PlotLine {
        let points = self.rates.iter().map(|(rate, probes)| {
            let mut probes = probes.clone();
            probes.sort_by(|a, b| b.reached_per_s.total_cmp(&a.reached_per_s));
            let middle = probes.get((probes.len().max(1) - 1) / 2)?;
            Some((*rate, figure(middle))).filter(|(_, figure)| figure.is_finite())
        });
        PlotLine {
            name: name.to_owned(),
            colour,
            points: points.collect(),
        }
    }

    fn plot(&self, y: Axis, y_name: &str, description: &str, lines: Vec<PlotLine>) -> Plot {
        let highest = self.rates.iter().map(|(rate, _)| *rate);
        let knee = self.report.rate_per_s.map(|held| Mark {
            x: held,
            label: format!("sustained: {}", rate(held)),
        });
        let beyond = self.report.exceeded_per_s.map(|exceeded| Band {
            x: (exceeded, f64::MAX),
            name: "too high",
            label: format!("too high: {}", rate(exceeded)),
        });
        Plot {
            description: description.to_owned(),
            x: Axis::amount(highest, "/s"),
            y,
            y_name: y_name.to_owned(),
            lines,
            cells: Vec::new(),
            warm_up: None,
            marks: knee.into_iter().collect(),
            bands: beyond.into_iter().collect(),
            strips: self.strips(),
        }
    }

    /// The hover strips; each reaches halfway to its neighbours.
    fn strips(&self) -> Vec<Strip> {
        let rates: Vec<f64> = self.rates.iter().map(|(rate, _)| *rate).collect();
        let strips = self.rates.iter().enumerate().map(|(i, (at, probes))| {
            let said: String = probes.iter().map(|p| said(p)).collect();
            Strip {
                x: halfway(&rates, i),
                text: format!("{} asked{said}", rate(*at)),
            }
        });
        strips.collect()
    }

    fn latency(&self) -> Chart {
        let mut lines = vec![
            self.line("response p50", BLUE, |p| of_times(p, |q| q.p50)),
            self.line("response p99", VERMILION, |p| of_times(p, |q| q.p99)),
        ];
        let probes = || self.rates.iter().flat_map(|(_, probes)| probes);
        if probes().all(|p| p.end_to_end_us.is_some()) {
            let of = |p: &Probe| p.end_to_end_us.as_ref().map_or(0.0, |(_, q)| q.p99);
            lines.push(self.line("end to end p99", GREEN, of));
        }
        let values = lines.iter().flat_map(|l| l.points.iter().flatten());
        let y = Axis::micros(values.map(|(_, y)| *y));
        let description = "Latency against the rate asked for";
        Chart {
            id: "latency",
            title: "Latency against rate".into(),
            note: "Response time of all requests, and the slowest awaited state; of several probes at one rate, the median probe. The capacity is where the lines turn upwards.".into(),
            plot: self.plot(y, "time, log scale", description, lines),
        }
    }

    fn throughput(&self) -> Chart {
        let mut lines = vec![
            self.line("asked", PURPLE, |p| p.rate_per_s),
            self.line("reached", BLUE, |p| p.reached_per_s),
        ];
        let mut probes = self.rates.iter().flat_map(|(_, probes)| probes);
        let fails = probes.any(|p| p.failed_per_s > 0.0);
        if fails {
            lines.push(self.line("failed", VERMILION, |p| p.failed_per_s));
        }
        let values = lines.iter().flat_map(|l| l.points.iter().flatten());
        let y = Axis::amount(values.map(|(_, y)| *y), "/s");
        let description = "Journeys completed a second against the rate asked for";
        Chart {
            id: "throughput",
            title: "Throughput against rate".into(),
            note: match fails {
                true => "Journeys completed and failed a second while they arrived. The target falls behind where both together part from what was asked.",
                false => "Journeys completed a second while they arrived. The target falls behind where the lines part.",
            }
            .into(),
            plot: self.plot(y, "journeys a second", description, lines),
        }
    }

    fn cpu(&self) -> Chart {
        let mut names: Vec<&String> = Vec::new();
        for probe in self.rates.iter().rev().flat_map(|(_, probes)| probes) {
            for (name, pct) in &probe.cpu_pct {
                if *pct >= 1.0 && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let of = |p: &Probe, name: &str| {
            let known = p.cpu_pct.iter().find(|(n, _)| n == name);
            known.map_or(0.0, |(_, pct)| *pct)
        };
        let by_process = names.into_iter().zip(&LINES[1..]);
        let by_process = by_process.map(|(name, colour)| self.line(name, *colour, |p| of(p, name)));
        let all = self.line("all together", BLUE, Probe::cpu_sum_pct);
        let lines: Vec<PlotLine> = std::iter::once(all).chain(by_process).collect();
        let values = lines.iter().flat_map(|l| l.points.iter().flatten());
        let y = Axis::amount(values.map(|(_, y)| *y), " %");
        let cores = self.report.environment.cores;
        let known = match self.report.environment.target_started {
            true => "",
            false => " The target was not started here, so only the generator's CPU is known.",
        };
        Chart {
            id: "cpu",
            title: "CPU by process against rate".into(),
            note: format!("100 % is one core; this machine has {cores}.{known}"),
            plot: self.plot(
                y,
                "CPU, of one core",
                "CPU by process against the rate asked for",
                lines,
            ),
        }
    }
}

/// A figure of a probe's response times; not a number without any.
fn of_times(probe: &Probe, figure: impl Fn(&Quantiles) -> f64) -> f64 {
    probe.times().map_or(f64::NAN, figure)
}

fn shortly_said(probe: &Probe) -> String {
    format!(
        "\n  {}, reached {}, p99 {}",
        probe.judged.as_str(),
        rate(probe.reached_per_s.round()),
        known(probe.times(), |q| time(q.p99))
    )
}

fn said(probe: &Probe) -> String {
    let state = probe.end_to_end_us.as_ref();
    let state = state.map_or_else(String::new, |(name, q)| {
        format!(", {name} p99 {}", time(q.p99))
    });
    format!(
        "\nprobe {}: {}, reached {}\nresponse p50 {}, p99 {}{state}\n{}",
        probe.number,
        probe.judged.as_str(),
        rate(probe.reached_per_s.round()),
        known(probe.times(), |q| time(q.p50)),
        known(probe.times(), |q| time(q.p99)),
        shares(probe.cpu_pct.iter())
    )
}
