//! The system that a command drives: one that runs already, or one that is started and stopped.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen_engine::http_client::TlsOptions;
use loadgen_shop::system_process::SystemCommand;

use crate::bad_input;
use crate::tls::TlsArguments;

#[derive(Args)]
pub struct SystemArguments {
    /// URL of a running system; without it `ordershop up` is started and stopped [example: http://127.0.0.1:5000]
    #[arg(long)]
    pub target: Option<String>,
    #[command(flatten)]
    tls: TlsArguments,
    /// Start the system with each service a process of its own (`ordershop up --processes`)
    #[arg(long, conflicts_with = "target")]
    processes: bool,
    /// The program `ordershop` [default: beside this program, else on PATH]
    #[arg(long, env = "ORDERSHOP_BIN")]
    system_bin: Option<PathBuf>,
}

impl SystemArguments {
    pub fn tls(&self) -> TlsOptions {
        self.tls.options()
    }

    /// What starts the system, where one is started and that is not just the default. That a named program is nowhere has been said.
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
