//! The list of figures that are compared, and which of them decide. Knows reports but no statistics.

use super::{Role, Scale, Unit};
use crate::report::Report;
use crate::threshold_figure::figure as figure_of;
use loadgen_scenario::threshold::{Family, JourneyFigure, Metric, Selector, Statistic};

/// Width of a bucket of the target's own histograms, in natural logarithms: bucket bounds are 15 % apart.
const LAG_RESOLUTION: f64 = 0.14;
/// Relative resolution of the recorders' histograms, which keep three digits.
const TIME_RESOLUTION: f64 = 0.001;

/// A figure of a run, and how it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedFigure {
    /// The name, the same as in thresholds if thresholds know the figure.
    pub name: String,
    /// The unit of the value.
    pub unit: Unit,
    /// The scale of the effect.
    pub scale: Scale,
    /// Whether more is better; `None` if neither is.
    pub more_is_better: Option<bool>,
    /// Whether the figure decides by default.
    pub role: Role,
    /// Whether the figure is the same on another machine.
    pub machine_independent: bool,
    /// The width that values are rounded to, on the scale on which effects add up.
    pub resolution: f64,
    source: FigureSource,
}

/// The part of a report that a figure is read from.
#[derive(Debug, Clone, PartialEq)]
enum FigureSource {
    /// A metric of thresholds.
    Metric(Metric),
    /// A figure of the resources.
    Resource(Resource),
    /// The largest resident set of a process.
    Memory(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Resource {
    Cpu,
    SystemCpu,
    RedisCpu,
    RedisShare,
    Commands,
    InputBytes,
    OutputBytes,
    RedisMemory,
    EventsPerAppend,
    MessagesPerTake,
}

impl ComparedFigure {
    /// The figure's value in a run, if the run has one.
    pub fn of(&self, report: &Report) -> Option<f64> {
        let value = match &self.source {
            FigureSource::Metric(metric) => figure_of(report, metric)?,
            FigureSource::Resource(resource) => resource.of(report)?,
            FigureSource::Memory(process) => {
                *report.resources.as_ref()?.memory_peak_bytes.get(process)? as f64
            }
        };
        value.is_finite().then_some(value)
    }

    /// Whether this text names the figure in any of the ways that thresholds allow.
    pub fn is(&self, written: &str) -> bool {
        let same = |metric: Metric| self.source == FigureSource::Metric(metric);
        self.name == written || Metric::parse(written).is_ok_and(same)
    }
}

impl Resource {
    fn of(self, report: &Report) -> Option<f64> {
        let resources = report.resources.as_ref()?;
        let (cpu, redis) = (&resources.cpu_us_per_journey, resources.redis.as_ref());
        match self {
            Self::Cpu => cpu.both,
            Self::SystemCpu => cpu.system,
            Self::RedisCpu => cpu.redis,
            Self::RedisShare => Some(cpu.redis? / cpu.both.filter(|both| *both > 0.0)?),
            Self::Commands => Some(redis?.commands_per_journey),
            Self::InputBytes => Some(redis?.input_bytes_per_journey),
            Self::OutputBytes => Some(redis?.output_bytes_per_journey),
            Self::RedisMemory => Some(redis?.memory_bytes),
            Self::EventsPerAppend => resources.events_per_append,
            Self::MessagesPerTake => resources.messages_per_take,
        }
    }
}

/// The figures of a run with this report's steps and states, leading and deciding ones first. CPU a journey leads if it is known, because
/// it is the figure with the least noise; otherwise the median response time leads.
pub fn figures(report: &Report) -> Vec<ComparedFigure> {
    let knows_cpu = report
        .resources
        .as_ref()
        .is_some_and(|r| r.cpu_us_per_journey.both.is_some());
    let median = if knows_cpu {
        Role::Decides
    } else {
        Role::Leads
    };
    let mut figures: Vec<ComparedFigure> = resources()
        .into_iter()
        .chain([
            time(Family::ResponseTime, None, "p50", median),
            time(Family::ResponseTime, None, "p99", Role::Decides),
            time(Family::EndToEnd, None, "p50", Role::Decides),
            metric(
                "journeys.per_s",
                Metric::Journeys {
                    of: Selector::All,
                    figure: JourneyFigure::PerSecond,
                },
                Role::Decides,
            ),
            metric("error_rate", Metric::ErrorRate, Role::Decides),
            time(Family::ResponseTime, None, "p90", Role::Shown),
            time(Family::ResponseTime, None, "p999", Role::Shown),
            time(Family::EndToEnd, None, "p99", Role::Shown),
            time(Family::EventLag, None, "p50", Role::Shown),
            time(Family::EventLag, None, "p99", Role::Shown),
        ])
        .collect();
    let names = report.workloads.iter().map(|w| &w.name);
    figures.extend(names.flat_map(|name| of_workload(name)));
    for step in &report.steps {
        let of = |statistic| {
            time(
                Family::ResponseTime,
                Some(&step.name),
                statistic,
                Role::Shown,
            )
        };
        figures.extend(["p50", "p90", "p99", "p999"].map(of));
    }
    for state in &report.end_to_end {
        let of = |statistic| time(Family::EndToEnd, Some(&state.name), statistic, Role::Shown);
        figures.extend(["p50", "p99"].map(of));
    }
    let processes = report
        .resources
        .iter()
        .flat_map(|r| r.memory_peak_bytes.keys());
    figures.extend(processes.map(|process| ComparedFigure {
        source: FigureSource::Memory(process.clone()),
        ..resource(
            &format!("memory_peak[\"{process}\"]"),
            Resource::Cpu,
            Unit::Bytes,
        )
    }));
    figures.sort_by_key(|figure| figure.role);
    figures
}

/// A workload's figures, in the words of thresholds.
fn of_workload(name: &str) -> impl Iterator<Item = ComparedFigure> {
    let name = format!("workload[\"{name}\"]");
    ["per_s", "p50", "p99"]
        .into_iter()
        .filter_map(move |figure| {
            let name = format!("{name}.{figure}");
            Some(metric(&name, Metric::parse(&name).ok()?, Role::Shown))
        })
}

fn resources() -> [ComparedFigure; 10] {
    let of = resource;
    [
        ComparedFigure {
            role: Role::Leads,
            ..of("cpu_per_journey", Resource::Cpu, Unit::Micros)
        },
        of("cpu_per_journey.system", Resource::SystemCpu, Unit::Micros),
        of("cpu_per_journey.redis", Resource::RedisCpu, Unit::Micros),
        ComparedFigure {
            more_is_better: None,
            machine_independent: true,
            ..of(
                "cpu_per_journey.redis_share",
                Resource::RedisShare,
                Unit::Share,
            )
        },
        ComparedFigure {
            role: Role::Decides,
            machine_independent: true,
            ..of(
                "redis.commands_per_journey",
                Resource::Commands,
                Unit::Number,
            )
        },
        ComparedFigure {
            machine_independent: true,
            ..of(
                "redis.input_bytes_per_journey",
                Resource::InputBytes,
                Unit::Bytes,
            )
        },
        ComparedFigure {
            machine_independent: true,
            ..of(
                "redis.output_bytes_per_journey",
                Resource::OutputBytes,
                Unit::Bytes,
            )
        },
        of("redis.memory", Resource::RedisMemory, Unit::Bytes),
        ComparedFigure {
            more_is_better: None,
            machine_independent: true,
            ..of("events_per_append", Resource::EventsPerAppend, Unit::Number)
        },
        ComparedFigure {
            more_is_better: None,
            machine_independent: true,
            ..of("messages_per_take", Resource::MessagesPerTake, Unit::Number)
        },
    ]
}

fn resource(name: &str, resource: Resource, unit: Unit) -> ComparedFigure {
    ComparedFigure {
        name: name.to_owned(),
        unit,
        scale: Scale::Ratio,
        more_is_better: Some(false),
        role: Role::Shown,
        machine_independent: false,
        resolution: TIME_RESOLUTION,
        source: FigureSource::Resource(resource),
    }
}

/// A percentile of times, over everything or of one step or state.
fn time(family: Family, of: Option<&str>, statistic: &str, role: Role) -> ComparedFigure {
    let name = match family {
        Family::ResponseTime => "response_time",
        Family::ServiceTime => "service_time",
        Family::EndToEnd => "end_to_end",
        Family::EventLag => "event_lag",
        Family::ScheduleSlip => "schedule_slip",
    };
    let quantile = match statistic {
        "p50" => 0.5,
        "p90" => 0.9,
        "p99" => 0.99,
        _ => 0.999,
    };
    let metric = Metric::Distribution {
        family,
        of: of.map_or(Selector::All, |name| Selector::Name(name.to_owned())),
        statistic: Statistic::Quantile(quantile),
    };
    let of = of.map_or_else(String::new, |of| format!("[\"{of}\"]"));
    self::metric(&format!("{name}{of}.{statistic}"), metric, role)
}

/// A figure that is a metric of thresholds.
fn metric(name: &str, metric: Metric, role: Role) -> ComparedFigure {
    let (unit, scale) = match &metric {
        Metric::ErrorRate => (Unit::Share, Scale::Difference),
        Metric::Journeys { .. } => (Unit::PerSecond, Scale::Ratio),
        _ => (Unit::Micros, Scale::Ratio),
    };
    let is_lag = matches!(
        &metric,
        Metric::Distribution {
            family: Family::EventLag,
            ..
        }
    );
    ComparedFigure {
        name: name.to_owned(),
        unit,
        scale,
        more_is_better: Some(matches!(metric, Metric::Journeys { .. })),
        role,
        machine_independent: false,
        resolution: match (scale, is_lag) {
            (Scale::Difference, _) => 0.0,
            (Scale::Ratio, true) => LAG_RESOLUTION,
            (Scale::Ratio, false) => TIME_RESOLUTION,
        },
        source: FigureSource::Metric(metric),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_every_way_that_thresholds_write_it() {
        let p99 = time(Family::ResponseTime, Some("pay"), "p99", Role::Shown);
        for written in [
            "response_time[\"pay\"].p99",
            "response_time[pay].p99",
            "step[\"pay\"].p(99)",
        ] {
            assert!(p99.is(written), "{written}");
        }
        assert!(!p99.is("response_time.p99") && !p99.is("nonsense"));
    }
}
