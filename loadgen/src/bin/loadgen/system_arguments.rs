//! The arguments that say which system a command drives: one that runs already, or one that the command starts and stops.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;
use loadgen_engine::http_client::ConnectOptions;
use loadgen_scenario::Scenario;
use loadgen_shop::system_process::{
    PROCESSES, RedisServer, SystemCommand, SystemError, SystemPlan,
};

use crate::connect_arguments::ConnectArguments;
use crate::ending::Failure;
use crate::scenario_arguments::assignment;

/// How a system is started.
#[derive(Args)]
pub struct StartArguments {
    /// Start this program `ordershop` [default: the one beside this program, else the one on PATH]
    #[arg(long, env = "ORDERSHOP_BIN")]
    pub system_bin: Option<PathBuf>,
    /// Set a variable of the started system's environment, which has nothing else of this one's but PATH, HOME, the locale and the like; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    system_env: Vec<(String, String)>,
    /// Delete all keys of a Redis that runs already before the first run; without this, one that holds keys is refused
    #[arg(long)]
    empty_redis: bool,
    /// Have the started system listen on this address of this machine, so that agents on other machines reach it, and so does anybody else there
    #[arg(long, value_name = "IP", value_parser = one_address)]
    system_listen: Option<IpAddr>,
}

/// Parses an address by which others reach this machine.
fn one_address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
    address.ok_or_else(|| "write the IP address by which the agents reach this machine".to_owned())
}

impl StartArguments {
    /// The address that the system listens on.
    pub fn listen(&self) -> IpAddr {
        self.system_listen.unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    /// The plan of a system that this command starts.
    pub fn plan(
        &self,
        command: SystemCommand,
        durability: Option<&String>,
        redis: RedisServer,
    ) -> Result<SystemPlan, SystemError> {
        let variables = self.system_env.iter().rev();
        let command = variables.fold(command, |c, (name, value)| c.with_variable(name, value));
        let plan = SystemPlan {
            durability: durability.cloned(),
            redis,
            empty_redis: self.empty_redis,
            listen: self.listen(),
            ..SystemPlan::new(command)
        };
        plan.consistent()
    }
}

#[derive(Args)]
pub struct SystemArguments {
    /// Drive the running system at this URL, instead of starting and stopping `ordershop up`; NAME=URL sets a target of the scenario's [targets], and may be repeated [example: http://127.0.0.1:5000]
    #[arg(long, value_name = "URL", value_parser = given_target)]
    target: Vec<GivenTarget>,
    #[command(flatten)]
    connect: ConnectArguments,
    /// Start the system with one process for each service (`ordershop up --processes`)
    #[arg(long)]
    processes: bool,
    /// Start the system on this Redis or Valkey: a program, or the address of one that runs already, whose database must be empty and is left so
    #[arg(long, value_name = "PATH|URL")]
    redis: Option<String>,
    #[command(flatten)]
    start: StartArguments,
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

/// Refuses an option of a system that is started, where the system runs already.
pub fn has_no_effect(option: &str) -> Failure {
    Failure::bad_input(format!(
        "{option} is for a system that is started here, and the one at --target runs already; leave one of them out"
    ))
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
    /// started.
    pub fn target(&self, scenario: &Scenario) -> Result<Option<String>, Failure> {
        let mut main = self.target.iter().filter(|t| t.name.is_none());
        match (main.next(), main.next()) {
            (Some(first), Some(second)) => Err(Failure::bad_input(format!(
                "--target: two URLs, {} and {}; allowed: one, and NAME=URL for targets of the scenario's [targets]",
                first.url, second.url
            ))),
            (Some(only), None) => Ok(Some(only.url.clone())),
            _ => Ok(scenario.only_named_targets().map(|t| t.url.clone())),
        }
    }

    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let program = self.start.system_bin.as_deref();
        self.connect.files().chain(program)
    }

    /// The address that the system listens on, if one is started.
    pub fn listen(&self, target: Option<&str>) -> Option<IpAddr> {
        target.is_none().then(|| self.start.listen())
    }

    /// How targets are reached.
    pub fn connect(&self) -> ConnectOptions {
        self.connect.options()
    }

    /// How the system is started; `None` for a running `target`.
    pub fn plan(
        &self,
        target: Option<&str>,
        durability: Option<&String>,
    ) -> Result<Option<SystemPlan>, Failure> {
        if target.is_some() {
            let ineffective = [
                ("--durability", durability.is_some()),
                ("--system-env", !self.start.system_env.is_empty()),
                ("--empty-redis", self.start.empty_redis),
                ("--system-listen", self.start.system_listen.is_some()),
                ("--processes", self.processes),
                ("--redis", self.redis.is_some()),
            ];
            return match ineffective.iter().find(|(_, given)| *given) {
                None => Ok(None),
                Some((option, _)) => Err(has_no_effect(option)),
            };
        }
        let plan = || -> Result<SystemPlan, SystemError> {
            let command = SystemCommand::ordershop(self.start.system_bin.as_deref())?;
            let redis = self.redis.as_deref().map(RedisServer::parse).transpose()?;
            let redis = redis.unwrap_or_default();
            let mut plan = self.start.plan(command, durability, redis)?;
            if self.processes {
                plan.options.insert(PROCESSES.to_owned(), "yes".to_owned());
            }
            Ok(plan)
        };
        plan().map(Some).map_err(Failure::bad_input)
    }
}
