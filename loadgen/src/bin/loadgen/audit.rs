//! `loadgen audit`: checks that what happened on a running system fits together.

use std::process::ExitCode;

use clap::Args;
use loadgen::live::AuditBar;
use loadgen_engine::http_client::Target;
use loadgen_scenario::duration::HumanDuration;
use loadgen_shop::audit::{AuditScope, audit};

use crate::tls::TlsArguments;
use crate::{bad_input, runtime};

#[derive(Args)]
pub struct AuditArguments {
    /// URL of a running system [example: http://127.0.0.1:5000]
    #[arg(long)]
    target: String,
    #[command(flatten)]
    tls: TlsArguments,
    /// How long to wait until nothing is in flight, as in 60s
    #[arg(long, default_value = "60s")]
    drain_timeout: HumanDuration,
    /// Print the outcome as JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn audit_target(arguments: &AuditArguments) -> ExitCode {
    let scope = AuditScope {
        drain_timeout: arguments.drain_timeout.0,
        ..AuditScope::default()
    };
    let outcome = runtime().map_err(|e| format!("no runtime: {e}"));
    let outcome = outcome.and_then(|runtime| {
        runtime.block_on(async {
            let target = Target::resolve(&arguments.target, &arguments.tls.options()).await;
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
    let text = loadgen_render::audit(&report);
    if arguments.json {
        let json = serde_json::to_string_pretty(&report)
            .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"));
        println!("{json}");
        eprint!("{text}");
    } else {
        print!("{text}");
    }
    match report.reasons().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
