//! The arguments that say which system a command drives: one that runs already, or one that the command starts and stops.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen_engine::http_client::ConnectOptions;
use loadgen_shop::system_process::SystemCommand;

use crate::connect_arguments::ConnectArguments;
use crate::ending::bad_input;

#[derive(Args)]
pub struct SystemArguments {
    /// Drive the running system at this URL, instead of starting and stopping `ordershop up` [example: http://127.0.0.1:5000]
    #[arg(long)]
    pub target: Option<String>,
    #[command(flatten)]
    connect: ConnectArguments,
    /// Start the system with one process for each service (`ordershop up --processes`)
    #[arg(long, conflicts_with = "target")]
    processes: bool,
    /// Start this program `ordershop` [default: the one beside this program, else the one on PATH]
    #[arg(long, env = "ORDERSHOP_BIN")]
    system_bin: Option<PathBuf>,
}

impl SystemArguments {
    /// How the target is reached. A system that is started here is reached directly.
    pub fn connect(&self) -> ConnectOptions {
        match self.target {
            Some(_) => self.connect.options(),
            None => ConnectOptions::default(),
        }
    }

    /// The command that starts the system; `None` for the default command and for a running target. Prints why a named program can't be
    /// started before it returns an exit code.
    pub fn command(&self) -> Result<Option<SystemCommand>, ExitCode> {
        if self.target.is_some() || (self.system_bin.is_none() && !self.processes) {
            return Ok(None);
        }
        let command = SystemCommand::ordershop(self.system_bin.as_deref()).map_err(bad_input)?;
        Ok(Some(match self.processes {
            true => command.with("--processes"),
            false => command,
        }))
    }
}
