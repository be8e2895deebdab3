//! `loadgen audit`: checks that the events and entities of a running system agree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use loadgen::live::AuditBar;
use loadgen_engine::http_client::Target;
use loadgen_scenario::duration::HumanDuration;
use loadgen_shop::audit::{AuditScope, audit};

use crate::connect_arguments::ConnectArguments;
use crate::ending::{bad_input, runtime, tell};
use crate::format::Format;

#[derive(Args)]
pub struct AuditArguments {
    /// Audit the running system at this URL [example: http://127.0.0.1:5000]
    #[arg(long)]
    target: String,
    #[command(flatten)]
    connect: ConnectArguments,
    /// Wait at most this long until nothing is in flight, as in 60s
    #[arg(long, default_value = "60s")]
    drain_timeout: HumanDuration,
    /// Read the events in this file too, which `ordershop archive` moved out of the system; may be repeated
    #[arg(long, value_name = "FILE")]
    archive: Vec<PathBuf>,
    /// Print the outcome on standard output as text, or as JSON with the text on standard error
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn audit_target(arguments: &AuditArguments) -> ExitCode {
    let scope = AuditScope {
        drain_timeout: arguments.drain_timeout.0,
        archives: arguments.archive.clone(),
        ..AuditScope::default()
    };
    let outcome = runtime().map_err(|e| format!("the async runtime can't start: {e}"));
    let outcome = outcome.and_then(|runtime| {
        runtime.block_on(async {
            let target = Target::resolve(&arguments.target, &arguments.connect.options()).await;
            let target = target.map_err(|e| format!("--target: {e}"))?;
            let progress = AuditBar::new();
            let audited = audit(target, &scope, &|events| progress.read(events)).await;
            audited.map_err(|e| e.to_string())
        })
    });
    let report = match outcome {
        Ok(report) => report,
        Err(problem) => return bad_input(problem),
    };
    let json = (arguments.format == Format::Json).then_some(&report);
    tell(json, |_| loadgen_render::audit(&report));
    match report.reasons().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
