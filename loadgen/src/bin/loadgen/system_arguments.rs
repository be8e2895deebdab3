//! The arguments that say which system a command drives: one that runs already, or one that the command starts and stops.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen_engine::http_client::TlsOptions;
use loadgen_scenario::Scenario;
use loadgen_shop::system_process::SystemCommand;

use crate::ending::bad_input;
use crate::tls::TlsArguments;

#[derive(Args)]
pub struct SystemArguments {
    /// Drive the running system at this URL, instead of starting and stopping `ordershop up`; NAME=URL sets a target of the scenario's [targets], and may be repeated [example: http://127.0.0.1:5000]
    #[arg(long, value_name = "URL", value_parser = given_target)]
    target: Vec<GivenTarget>,
    #[command(flatten)]
    tls: TlsArguments,
    /// Start the system with one process for each service (`ordershop up --processes`)
    #[arg(long, conflicts_with = "target")]
    processes: bool,
    /// Start this program `ordershop` [default: the one beside this program, else the one on PATH]
    #[arg(long, env = "ORDERSHOP_BIN")]
    system_bin: Option<PathBuf>,
}

/// A URL after `--target`.
#[derive(Debug, Clone)]
struct GivenTarget {
    /// The name before it; none for the main target.
    name: Option<String>,
    url: String,
}

/// Parses `URL` or `NAME=URL`; a URL may have a `=` itself.
fn given_target(text: &str) -> Result<GivenTarget, String> {
    match text.split_once('=') {
        Some((name, url)) if !name.contains(['/', ':', '?']) => match name.is_empty() {
            true => Err("write URL or NAME=URL".into()),
            false => Ok(GivenTarget {
                name: Some(name.to_owned()),
                url: url.to_owned(),
            }),
        },
        _ => Ok(GivenTarget {
            name: None,
            url: text.to_owned(),
        }),
    }
}

impl SystemArguments {
    /// The URLs of named targets, by name.
    pub fn named_targets(&self) -> Vec<(String, String)> {
        let named = self.target.iter();
        named
            .filter_map(|t| Some((t.name.clone()?, t.url.clone())))
            .collect()
    }

    /// The URL of a running system: the one given, or that of a scenario whose every request names its target. `None` if a system is to be
    /// started. Prints what is wrong before it returns an exit code.
    pub fn target(&self, scenario: &Scenario) -> Result<Option<String>, ExitCode> {
        let mut main = self.target.iter().filter(|t| t.name.is_none());
        match (main.next(), main.next()) {
            (Some(first), Some(second)) => Err(bad_input(format!(
                "--target: two URLs, {} and {}; allowed: one, and NAME=URL for targets of the scenario's [targets]",
                first.url, second.url
            ))),
            (Some(only), None) => Ok(Some(only.url.clone())),
            _ => Ok(scenario.only_named_targets().map(|t| t.url.clone())),
        }
    }

    pub fn tls(&self) -> TlsOptions {
        self.tls.options()
    }

    /// The command that starts the system; `None` for the default command and for a running `target`. Prints why a named program can't be
    /// started before it returns an exit code.
    pub fn command(&self, target: Option<&str>) -> Result<Option<SystemCommand>, ExitCode> {
        if target.is_some() || (self.system_bin.is_none() && !self.processes) {
            return Ok(None);
        }
        let command = SystemCommand::ordershop(self.system_bin.as_deref()).map_err(bad_input)?;
        Ok(Some(match self.processes {
            true => command.with("--processes"),
            false => command,
        }))
    }
}
