//! Converts a recorded trace to timed journeys: the plan's indexes become variables, a cart's only at its time. It knows the
//! trace and the scenario; it must not know how journeys are carried out.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::options::RunError;
use loadgen_engine::schedule::{Arrival, Arrivals};
use loadgen_report::{ReplayFacts, ReplayLines};
use loadgen_scenario::Scenario;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::expression::Vars;
use loadgen_scenario::recorded::{self, input};
use loadgen_scenario::trace::{JourneyKind, PlannedJourney, Speed, TracePlan};

/// A replay, ready to be carried out.
pub struct Replay {
    /// The arrivals by offset, each with the variables that its journey may have as `inputs`.
    pub arrivals: Arrivals,
    /// The lists for set-up, and the pause before payment.
    pub variables: Vars,
    /// The pause of the last journey before its payment: it belongs to the run, not to its drain.
    pub pay_after: Duration,
    /// The replay's facts for the report.
    pub facts: ReplayFacts,
    /// What the reader should know of the export.
    pub notes: Vec<String>,
}

impl Replay {
    /// Plans the replay that the command line asks for; `None` for a scenario without recorded arrivals.
    ///
    /// # Errors
    /// [`RunError::BadInput`] if file, speed and scenario don't fit together, or if nothing can be replayed.
    pub fn plan(
        scenario: &Scenario,
        trace: Option<&Path>,
        speed: Option<f64>,
        seed: u64,
    ) -> Result<Option<Self>, RunError> {
        let bad = |problem: String| RunError::BadInput(problem);
        let mapping = match &scenario.trace {
            Some(mapping) => mapping,
            None if trace.is_some() || speed.is_some() => {
                return Err(bad(format!(
                    "--trace and --speed: the scenario `{}` has no recorded arrivals",
                    scenario.name
                )));
            }
            None => return Ok(None),
        };
        let path = trace.ok_or_else(|| {
            bad(format!(
                "the scenario `{}` replays recorded orders: give the file with --trace FILE.csv",
                scenario.name
            ))
        })?;
        let speed = Speed::new(speed.unwrap_or(1.0)).map_err(|e| bad(format!("--speed: {e}")))?;
        let plan =
            TracePlan::from_file(path, mapping, seed).map_err(|e| bad(format!("--trace: {e}")))?;
        Self::new(plan, path, speed, scenario).map(Some)
    }

    fn new(
        plan: TracePlan,
        path: &Path,
        speed: Speed,
        scenario: &Scenario,
    ) -> Result<Self, RunError> {
        let facts = facts(&plan, path, speed, scenario);
        let notes = plan.notes.clone();
        if plan.journeys.is_empty() {
            let reasons = facts.lines.left_out.iter();
            let reasons: Vec<String> = reasons.map(|(r, n)| format!("{n} × {r}")).collect();
            return Err(RunError::BadInput(format!(
                "--trace: nothing in {} can be replayed; it has {} lines; left out: {}",
                path.display(),
                facts.lines.total,
                if reasons.is_empty() {
                    "none".to_owned()
                } else {
                    reasons.join(", ")
                }
            )));
        }
        let pay_after = speed.scale(plan.pay_after);
        let pause = format!("{}us", pay_after.as_micros());
        pause.parse::<HumanDuration>().map_err(|e| {
            RunError::BadInput(format!("--speed: `pay_after` would be too long: {e}"))
        })?;
        let variables = Vars::from_iter([
            (recorded::PRODUCTS.to_owned(), products(&plan)),
            (recorded::CUSTOMERS.to_owned(), customers(&plan)),
            (recorded::PAY_AFTER.to_owned(), pause.into()),
        ]);
        let of = |name: &str| {
            let index = scenario.journeys.iter().position(|j| j.name == name);
            index.ok_or_else(|| RunError::BadInput(format!("the scenario has no journey `{name}`")))
        };
        let (order, cancellation) = (of(recorded::ORDER)?, of(recorded::CANCELLATION)?);
        let arrivals = plan.journeys.into_iter().map(move |planned| Arrival {
            offset_ns: u64::try_from(speed.scale(planned.at).as_nanos()).unwrap_or(u64::MAX),
            journey: match planned.kind {
                JourneyKind::Order(_) => order,
                JourneyKind::Cancellation { .. } => cancellation,
            },
            vars: vars(planned),
        });
        Ok(Self {
            arrivals: Arrivals::recorded(arrivals),
            variables,
            pay_after,
            facts,
            notes,
        })
    }

    /// A text for the run's start.
    pub fn announcement(&self) -> String {
        let facts = &self.facts;
        format!(
            "replay of {}: {} of {} invoices at {} × the recorded speed, {:.0} s",
            facts.trace,
            facts.planned,
            facts.invoices,
            facts.speed,
            facts.length.as_secs_f64()
        )
    }
}

fn facts(plan: &TracePlan, path: &Path, speed: Speed, scenario: &Scenario) -> ReplayFacts {
    let by_text = |counts: &std::collections::BTreeMap<loadgen_scenario::trace::Reason, u64>| {
        let counts = counts.iter().filter(|(_, count)| **count > 0);
        counts.map(|(r, n)| (r.text().to_owned(), *n)).collect()
    };
    ReplayFacts {
        trace: path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        speed: speed.factor(),
        invoices: plan.invoices,
        planned: plan.journeys.len() as u64,
        skipped: by_text(&plan.skipped),
        lines: ReplayLines {
            total: plan.lines.total,
            ordered: plan.lines.ordered,
            cancelled: plan.lines.cancelled,
            left_out: by_text(&plan.lines.left_out),
        },
        left_out_pct_max: scenario
            .trace
            .as_ref()
            .map_or(100.0, |mapping| mapping.left_out_pct_max),
        length: plan.length_at(speed),
    }
}

fn products(plan: &TracePlan) -> Value {
    let products = plan.products.iter();
    products
        .map(|p| json!({"code": p.code, "name": p.name, "price": p.price_cents, "stock": p.stock}))
        .collect()
}

fn customers(plan: &TracePlan) -> Value {
    let customers = plan.customers.iter();
    customers
        .map(|c| json!({"code": c.code, "name": c.name, "email": c.email}))
        .collect()
}

fn vars(planned: PlannedJourney) -> Vars {
    let mut vars = Vars::new();
    let mut set = |name: &str, value: Value| vars.insert(name.to_owned(), value);
    set(input::INVOICE, planned.invoice.into());
    match planned.kind {
        JourneyKind::Order(order) => {
            set(input::CUSTOMER, order.customer.into());
            set(input::PRODUCTS, order.product_indexes().collect());
            set(input::AMOUNT, order.amount_cents.into());
        }
        JourneyKind::Cancellation { customer } => {
            set(input::CUSTOMER, customer.into());
        }
    }
    vars
}
