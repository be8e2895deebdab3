//! The arguments of every command that runs a scenario: which one, and how its load is made.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;
use loadgen_scenario::duration::HumanDuration;
use loadgen_scenario::{Durability, Named, Overrides, Scenario, Workload, catalog};

use crate::ending::Failure;

/// The durabilities of `ordershop up`.
pub const DURABILITIES: [&str; 3] = [
    Durability::None.name(),
    Durability::Everysec.name(),
    Durability::Always.name(),
];

#[derive(Args)]
pub struct ScenarioArguments {
    /// Run this scenario: a name (see `loadgen list`) or the path of a .toml file
    pub scenario: String,
    /// Drive the load with this many threads, on each of several agents [default: as many as the rate needs, at most half the cores here]
    #[arg(long, value_name = "N")]
    pub drivers: Option<usize>,
    /// Seed the random choices with this number, so that a run can be repeated
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Set a parameter of the scenario; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// Fail if more than this share of the journeys fails, besides the scenario's own thresholds; 100% allows all [default: 5%, unless a threshold of the scenario bounds errors]
    #[arg(long, value_name = "PERCENT", value_parser = error_rate)]
    max_error_rate: Option<f64>,
    /// Start the system with this durability [default: everysec; that of a Redis that runs already]
    #[arg(long, value_parser = DURABILITIES)]
    pub durability: Option<String>,
    /// Look for scenarios in this folder, instead of ./scenarios and the built-in ones
    #[arg(long)]
    scenarios: Option<PathBuf>,
}

impl ScenarioArguments {
    /// The scenario with its parameters and a command's overrides.
    pub fn find(&self, overrides: Overrides) -> Result<Scenario, Failure> {
        let mut scenario = self.read()?;
        self.apply(&mut scenario, overrides)?;
        Ok(scenario)
    }

    /// The scenario as it is written.
    pub fn read(&self) -> Result<Scenario, Failure> {
        let found = catalog::find(&self.scenario, self.scenarios.as_deref());
        Ok(found.map_err(Box::new)?)
    }

    /// Applies the parameters and a command's overrides.
    pub fn apply(&self, scenario: &mut Scenario, overrides: Overrides) -> Result<(), Failure> {
        let overrides = Overrides {
            parameters: self.parameters.clone(),
            error_rate_max: self.max_error_rate,
            ..overrides
        };
        scenario.apply(&overrides).map_err(Failure::bad_input)
    }
}

/// Parses `NAME=VALUE`.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses a rate in journeys a second.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate: &f64| *rate > 0.0 && *rate <= Workload::RATE_MAX)
        .ok_or_else(|| format!("write a number above 0, up to {}", Workload::RATE_MAX))
}

/// Parses `5%` or `0.05` as a share in this range.
pub fn share(text: &str, allowed: RangeInclusive<f64>) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|n| n / scale);
    share
        .filter(|share| allowed.contains(share))
        .ok_or_else(|| {
            let [low, high] = [allowed.start(), allowed.end()].map(|share| share * 100.0);
            format!("write a share from {low}% to {high}%, such as 5% or 0.05")
        })
}

fn error_rate(text: &str) -> Result<f64, String> {
    share(text, 0.0..=1.0)
}

/// Parses a number of users of a workload.
pub fn users(text: &str) -> Result<Named<usize>, String> {
    named(text, |text| {
        let users = text.parse().ok();
        users
            .filter(|users| (1..=Workload::USERS_MAX).contains(users))
            .ok_or_else(|| format!("write a whole number from 1 to {}", Workload::USERS_MAX))
    })
}

/// Parses a workload's rate in journeys a second.
pub fn named_rate(text: &str) -> Result<Named<f64>, String> {
    named(text, rate)
}

/// Parses `NAME=VALUE`, or `VALUE` for the only workload.
fn named<T>(text: &str, value: impl Fn(&str) -> Result<T, String>) -> Result<Named<T>, String> {
    match text.rsplit_once('=') {
        Some(("", _)) => Err("write NAME=VALUE, or the value alone".into()),
        Some((name, text)) => Ok((Some(name.to_owned()), value(text)?)),
        None => Ok((None, value(text)?)),
    }
}

/// Parses the length of a workload.
pub fn length(text: &str) -> Result<HumanDuration, String> {
    let length: HumanDuration = text.parse()?;
    match length.0.is_zero() {
        true => Err("write a duration longer than 0".into()),
        false => Ok(length),
    }
}
