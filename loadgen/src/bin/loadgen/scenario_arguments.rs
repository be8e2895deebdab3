//! Which scenario is run and how its load is made: the arguments that all commands share which run one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen_scenario::{Overrides, Scenario, catalog};

use crate::{BAD_INPUT, bad_input};

#[derive(Args)]
pub struct ScenarioArguments {
    /// A scenario's name (see `loadgen list`) or the path of a .toml file
    scenario: String,
    /// Threads that drive the load [default: what the rate needs, of half the cores]
    #[arg(long, value_name = "N")]
    pub drivers: Option<usize>,
    /// Makes the choices repeatable
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Changes a parameter of the scenario
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    parameters: Vec<(String, String)>,
    /// Durability of a system that is started
    #[arg(long, default_value = "everysec", value_parser = ["none", "everysec", "always"])]
    pub durability: String,
    /// Folder with scenarios, instead of ./scenarios and the built-in ones
    #[arg(long)]
    scenarios: Option<PathBuf>,
}

impl ScenarioArguments {
    /// The scenario with its parameters and what else a command changes. What is wrong with it has been said.
    pub fn find(&self, overrides: Overrides) -> Result<Scenario, ExitCode> {
        let found = catalog::find(&self.scenario, self.scenarios.as_deref());
        let mut scenario = found.map_err(|e| {
            eprintln!("{:?}", miette::Report::new(e));
            ExitCode::from(BAD_INPUT)
        })?;
        let overrides = Overrides {
            parameters: self.parameters.clone(),
            ..overrides
        };
        scenario.apply(&overrides).map_err(bad_input)?;
        Ok(scenario)
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// For rates and factors.
pub fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n: &f64| *n > 0.0 && n.is_finite())
        .ok_or_else(|| "a number above 0 is needed".into())
}
