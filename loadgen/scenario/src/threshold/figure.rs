//! The figures that a threshold may name, and their syntax.

/// Every figure that a threshold may name.
pub const FIGURES: &str = "p(99), mean, … of all requests; step[\"NAME\"].p(99), tag[\"TAG\"].p(99), workload[\"NAME\"].p(99), response_time…, service_time…, await[\"STATE\"]… or end_to_end…, event_lag…, event_lag[\"GROUP\"]…, schedule_slip…, schedule_slip[\"WORKLOAD\"]… with p50, p90, p95, p99, p999, p(0 to 100), min, max, mean, count; error_rate, step[\"NAME\"].error_rate; requests.(count|errors|per_s|error_rate); journeys.(started|completed|failed|skipped|dropped|unsent|per_s|error_rate), the same of workload[\"NAME\"]; backlog_end";

/// The figure that a threshold names.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// A statistic of a distribution.
    #[allow(missing_docs)] // said above
    Distribution {
        family: Family,
        of: Selector,
        statistic: Statistic,
    },
    /// A count of requests.
    #[allow(missing_docs)] // said above
    Requests { of: Selector, count: RequestFigure },
    /// A count or a rate of journeys: of all, or of one workload's.
    #[allow(missing_docs)] // said above
    Journeys { of: Selector, figure: JourneyFigure },
    /// Failed steps (requests and awaits) / steps tried, 0 to 1.
    ErrorRate,
    /// Entries that no consumer group had handled at the end, all groups together.
    BacklogEnd,
}

/// Selects distributions of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All of them: requests and groups together; of several awaited states the worst counts.
    All,
    /// A step, an awaited state, a consumer group or `group/topic`.
    Name(String),
    /// The steps (or states) with this tag.
    Tag(String),
    /// What the journeys of this workload did.
    Workload(String),
}

/// The distributions a run records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are standard terms
pub enum Family {
    ResponseTime,
    ServiceTime,
    EndToEnd,
    EventLag,
    ScheduleSlip,
}

/// Statistics of a distribution, in microseconds but for `Count`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // the names are standard terms
pub enum Statistic {
    /// A share from 0 to 1.
    Quantile(f64),
    Min,
    Max,
    Mean,
    Count,
}

/// A count or a rate of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are standard terms
pub enum RequestFigure {
    Tried,
    Errors,
    PerSecond,
    /// Failed / tried, 0 to 1.
    ErrorRate,
}

/// The journeys' figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the report's own
pub enum JourneyFigure {
    Started,
    Completed,
    Failed,
    Skipped,
    Dropped,
    Unsent,
    PerSecond,
    /// Failed / ended (completed, failed, skipped or overtaken), 0 to 1.
    ErrorRate,
}

impl Metric {
    /// Reads a figure without its window. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("unknown figure `{text}`; allowed: {FIGURES}");
        match text {
            "error_rate" => return Ok(Self::ErrorRate),
            "backlog_end" => return Ok(Self::BacklogEnd),
            _ => {}
        }
        let (head, tail) = split(text).ok_or_else(wrong)?;
        let (family, of) = match head.split_once('[') {
            Some((family, of)) => {
                let of = of.strip_suffix(']').ok_or_else(wrong)?.trim();
                (family, Some(of.trim_matches('"').to_owned()))
            }
            None => (head, None),
        };
        let named = of.clone().map_or(Selector::All, Selector::Name);
        let (family, of) = match (family, of) {
            ("journeys", None) => {
                let figure = journeys(tail).ok_or_else(wrong)?;
                let of = Selector::All;
                return Ok(Self::Journeys { of, figure });
            }
            ("workload", Some(name)) => {
                let of = Selector::Workload(name);
                if let Some(figure) = journeys(tail) {
                    return Ok(Self::Journeys { of, figure });
                }
                (Family::ResponseTime, of)
            }
            ("requests", None) => {
                let count = count(tail).ok_or_else(wrong)?;
                return Ok(Self::Requests {
                    of: Selector::All,
                    count,
                });
            }
            ("step", Some(_)) => (Family::ResponseTime, named),
            ("tag", Some(tag)) => (Family::ResponseTime, Selector::Tag(tag)),
            ("await", Some(_)) | ("end_to_end", _) => (Family::EndToEnd, named),
            ("" | "response_time", _) => (Family::ResponseTime, named),
            ("service_time", _) => (Family::ServiceTime, named),
            ("event_lag", _) => (Family::EventLag, named),
            ("schedule_slip", None) => (Family::ScheduleSlip, named),
            ("schedule_slip", Some(name)) => (Family::ScheduleSlip, Selector::Workload(name)),
            _ => return Err(wrong()),
        };
        if let (true, Some(count)) = (
            head.starts_with("step") || head.starts_with("tag"),
            count(tail),
        ) {
            return Ok(Self::Requests { of, count });
        }
        let statistic = statistic(tail).ok_or_else(wrong)?;
        Ok(Self::Distribution {
            family,
            of,
            statistic,
        })
    }

    /// The name of the workload whose figure it is, if it is one workload's.
    pub fn workload(&self) -> Option<&str> {
        match self {
            Self::Distribution { of, .. } | Self::Journeys { of, .. } => match of {
                Selector::Workload(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is measured in microseconds.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Distribution { statistic, .. } if *statistic != Statistic::Count)
    }

    /// Whether it counts something: a whole number.
    pub(super) fn is_count(&self) -> bool {
        match self {
            Self::BacklogEnd => true,
            Self::ErrorRate => false,
            Self::Requests { count, .. } => {
                matches!(count, RequestFigure::Tried | RequestFigure::Errors)
            }
            Self::Journeys { figure, .. } => {
                !matches!(figure, JourneyFigure::PerSecond | JourneyFigure::ErrorRate)
            }
            Self::Distribution { statistic, .. } => *statistic == Statistic::Count,
        }
    }

    /// Whether it says how much failed of the whole run: of its journeys, or of all that they tried. Of requests alone it doesn't: a loop that
    /// never ends has good answers.
    pub(super) fn counts_errors(&self) -> bool {
        matches!(
            self,
            Self::ErrorRate
                | Self::Journeys {
                    of: Selector::All,
                    figure: JourneyFigure::Failed | JourneyFigure::ErrorRate,
                }
        )
    }

    /// Whether it is a ratio from 0 to 1.
    pub fn is_ratio(&self) -> bool {
        matches!(
            self,
            Self::ErrorRate
                | Self::Journeys {
                    figure: JourneyFigure::ErrorRate,
                    ..
                }
                | Self::Requests {
                    count: RequestFigure::ErrorRate,
                    ..
                }
        )
    }
}

/// Splits into `family[of]` and its statistic; a statistic alone refers to all requests.
fn split(text: &str) -> Option<(&str, &str)> {
    match text.rfind(']') {
        Some(end) => Some((&text[..=end], text[end + 1..].strip_prefix('.')?)),
        None if statistic(text).is_some() => Some(("", text)),
        None => text.split_once('.'),
    }
}

fn statistic(text: &str) -> Option<Statistic> {
    Some(match text {
        "min" => Statistic::Min,
        "max" => Statistic::Max,
        "mean" => Statistic::Mean,
        "count" => Statistic::Count,
        _ => {
            let inside = text.strip_prefix("p(").and_then(|t| t.strip_suffix(')'));
            let percent: f64 = match inside {
                Some(number) => number.trim().parse().ok()?,
                None => {
                    // p50 is 50 %, p999 is 99.9 %: the decimal point is after the second digit.
                    let digits = text.strip_prefix('p')?;
                    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
                    let legal = match digits.len() {
                        2 => true,
                        3..=6 => digits.starts_with('9'),
                        _ => false,
                    };
                    if !all_digits || !legal {
                        return None;
                    }
                    format!("{}.{}", &digits[..2], &digits[2..]).parse().ok()?
                }
            };
            if !(0.0..=100.0).contains(&percent) {
                return None;
            }
            // Via text, because 99.9 / 100 in floating point is not 0.999.
            Statistic::Quantile(format!("{:.6}", percent / 100.0).parse().ok()?)
        }
    })
}

fn count(text: &str) -> Option<RequestFigure> {
    Some(match text {
        "count" => RequestFigure::Tried,
        "errors" => RequestFigure::Errors,
        "per_s" => RequestFigure::PerSecond,
        "error_rate" => RequestFigure::ErrorRate,
        _ => return None,
    })
}

fn journeys(text: &str) -> Option<JourneyFigure> {
    Some(match text {
        "started" => JourneyFigure::Started,
        "completed" => JourneyFigure::Completed,
        "failed" => JourneyFigure::Failed,
        "skipped" => JourneyFigure::Skipped,
        "dropped" => JourneyFigure::Dropped,
        "unsent" => JourneyFigure::Unsent,
        "per_s" => JourneyFigure::PerSecond,
        "error_rate" => JourneyFigure::ErrorRate,
        _ => return None,
    })
}
