//! Compiles how the journeys of one workload arrive: checks that its keys belong to its kind.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::duration::HumanDuration;
use crate::file::{ArrivalsKind, StageFile, WorkloadFile, WorkloadKindFile};
use crate::think_time::ThinkTime;
use crate::workload::{Stage, Workload, WorkloadKind};

impl Compiler<'_> {
    /// A workload of this name and mix.
    pub(super) fn workload(
        &self,
        name: String,
        mix: Vec<(usize, f64)>,
        raw: &Spanned<WorkloadFile>,
    ) -> Compiled<Workload> {
        let file = raw.get_ref();
        let time = |given: Option<HumanDuration>| given.map_or(Duration::ZERO, |d| d.0);
        let workload = Workload {
            name,
            kind: self.workload_kind(raw)?,
            start_after: time(file.start_after),
            warm_up: time(file.warm_up),
            traceparent: file.traceparent.unwrap_or(true),
            idempotency_keys: file.idempotency_keys.unwrap_or(false),
            mix,
        };
        self.check_length(&workload, raw)?;
        Ok(workload)
    }

    fn workload_kind(&self, raw: &Spanned<WorkloadFile>) -> Compiled<WorkloadKind> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let wrong = |problem: &str, help: &str| {
            Err(self
                .source
                .error(span.clone(), problem, Some(help.to_owned())))
        };
        if raw.arrivals.is_some() && !matches!(raw.kind, WorkloadKindFile::Open) {
            return wrong(
                "only an open workload has arrivals",
                "allowed: `arrivals` with kind = \"open\"",
            );
        }
        Ok(match raw.kind {
            WorkloadKindFile::Open => {
                if raw.users.is_some() || raw.think_time.is_some() {
                    return wrong(
                        "an open workload has no users",
                        "allowed: rate and duration, or stages; or kind = \"closed\"",
                    );
                }
                let stages = match (raw.rate, raw.duration, &raw.stages) {
                    (Some(rate), Some(duration), None) => vec![Stage::constant(duration.0, rate)],
                    (None, None, Some(raw)) if raw.iter().any(|s| s.users.is_some()) => {
                        return wrong(
                            "a stage of an open workload has no users",
                            "allowed: `rate`, or `to` and perhaps `from`; or kind = \"closed\"",
                        );
                    }
                    (None, None, Some(raw)) => self.stages(raw, |s| s.rate, &span)?,
                    _ => {
                        return wrong(
                            "an open workload needs its arrivals",
                            "allowed: `rate` and `duration`, or `stages = [{ duration, rate }, { duration, from, to }]`",
                        );
                    }
                };
                let legal = |rate: f64| (0.0..=Workload::RATE_MAX).contains(&rate);
                if !stages.iter().all(|s| legal(s.from) && legal(s.to))
                    || Stage::highest(&stages) == 0.0
                {
                    let help = format!(
                        "allowed: 0 to {} journeys a second, not all of them 0",
                        Workload::RATE_MAX
                    );
                    return wrong("a rate is out of range", &help);
                }
                WorkloadKind::Open {
                    stages,
                    poisson: raw.arrivals == Some(ArrivalsKind::Poisson),
                }
            }
            WorkloadKindFile::Closed => {
                let stages = match (raw.users, raw.duration, raw.rate, &raw.stages) {
                    (Some(users), Some(duration), None, None) => {
                        vec![Stage::constant(duration.0, users as f64)]
                    }
                    (None, None, None, Some(raw)) if raw.iter().any(|s| s.rate.is_some()) => {
                        return wrong(
                            "a stage of a closed workload has no rate",
                            "allowed: `users`, or `to` and perhaps `from`; or kind = \"open\"",
                        );
                    }
                    (None, None, None, Some(raw)) => {
                        self.stages(raw, |s| s.users.map(|users| users as f64), &span)?
                    }
                    _ => {
                        return wrong(
                            "a closed workload needs its users",
                            "allowed: `users` and `duration`, or `stages = [{ duration, users }, { duration, from, to }]`, and optionally `think_time`; no rate",
                        );
                    }
                };
                let legal =
                    |n: f64| (0.0..=Workload::USERS_MAX as f64).contains(&n) && n.fract() == 0.0;
                if !stages.iter().all(|s| legal(s.from) && legal(s.to))
                    || Stage::highest(&stages) == 0.0
                {
                    let help = format!(
                        "allowed: whole numbers up to {}, not all of them 0",
                        Workload::USERS_MAX
                    );
                    return wrong("a number of users is out of range", &help);
                }
                WorkloadKind::Closed {
                    stages,
                    think_time: raw.think_time.unwrap_or(ThinkTime::NONE),
                }
            }
            WorkloadKindFile::Trace => {
                let given = raw.rate.is_some()
                    || raw.duration.is_some()
                    || raw.stages.is_some()
                    || raw.users.is_some()
                    || raw.think_time.is_some()
                    || raw.warm_up.is_some();
                if given {
                    return wrong(
                        "recorded arrivals have their own times",
                        "allowed: `kind` alone; the speed is given on the command line",
                    );
                }
                WorkloadKind::Trace
            }
        })
    }

    /// `held`: what a stage holds, a rate or a number of users. A ramp without `from` begins where the stage before it ended.
    fn stages(
        &self,
        raw: &[StageFile],
        held: impl Fn(&StageFile) -> Option<f64>,
        span: &Range<usize>,
    ) -> Compiled<Vec<Stage>> {
        let mut before = 0.0;
        let stages = raw.iter().map(|raw| {
            let (from, to) = match (held(raw), raw.from, raw.to) {
                (Some(held), None, None) => (held, held),
                (None, from, Some(to)) => (from.unwrap_or(before), to),
                _ => {
                    return Err(self.source.error(
                        span.clone(),
                        "a stage needs its rate, or its users",
                        Some("allowed: `rate` (in a closed workload `users`) to hold it; `to`, and perhaps `from`, for a ramp".into()),
                    ));
                }
            };
            before = to;
            let duration = raw.duration.0;
            Ok(Stage { duration, from, to })
        });
        stages.collect()
    }

    /// Refuses a workload without a length, and a warm-up that leaves nothing to measure.
    fn check_length(&self, workload: &Workload, raw: &Spanned<WorkloadFile>) -> Compiled<()> {
        let (length, warm_up) = (workload.length(), workload.warm_up);
        match length {
            Some(length) if length.is_zero() => Err(self.source.error(
                raw.span(),
                "the workload has no duration",
                Some("allowed: longer than 0 s".into()),
            )),
            Some(length) if warm_up >= length => Err(self.source.error(
                self.source.find("warm_up", raw.span()),
                format!("a warm-up of {warm_up:?} leaves nothing of {length:?} to measure"),
                Some("allowed: less than the workload's length".into()),
            )),
            _ => Ok(()),
        }
    }
}
