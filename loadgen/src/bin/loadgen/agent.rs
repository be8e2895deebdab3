//! `loadgen agent`: drives parts of the load of runs that are led elsewhere, one after the other, until it is stopped.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use loadgen::agents::{AgentOptions, Listening};
use loadgen::run::Interrupts;
use loadgen::terminal;
use loadgen_engine::http_client::{certificates, private_key};
use rustls::ServerConfig;
use rustls::crypto::ring;

use crate::agents_arguments::token;
use crate::connect_arguments::ConnectArguments;
use crate::ending::{bad_input, runtime};

#[derive(Args)]
pub struct AgentArguments {
    /// Listen on this address for the --agents of `loadgen run`, `capacity` and `ab`; other machines need a token to be let in [example: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Let in only who shows the token in this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Speak TLS with the certificate in this PEM file, instead of plain text
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Read the key of --tls-cert from this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArguments,
}

impl AgentArguments {
    fn options(&self) -> Result<AgentOptions, String> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                let chain = certificates("--tls-cert", cert)?;
                let key = private_key("--tls-key", key)?;
                let builder =
                    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
                let config = builder
                    .with_safe_default_protocol_versions()
                    .map_err(|e| format!("TLS: {e}"))?
                    .with_no_client_auth()
                    .with_single_cert(chain, key)
                    .map_err(|e| format!("--tls-cert {}: {e}", cert.display()))?;
                Some(Arc::new(config))
            }
            _ => None,
        };
        Ok(AgentOptions {
            listen: self.listen.clone(),
            token: self.token_file.as_deref().map(token).transpose()?,
            tls,
            connect: self.connect.options(),
        })
    }
}

pub fn serve(arguments: &AgentArguments) -> ExitCode {
    let options = match arguments.options() {
        Ok(options) => options,
        Err(problem) => return bad_input(problem),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return bad_input(format!("the async runtime can't start: {e}")),
    };
    let manner = match (options.tls.is_some(), options.token.is_some()) {
        (true, true) => "TLS, with a token",
        (true, false) => "TLS, for this machine only",
        (false, true) => "plain text, with a token",
        (false, false) => "plain text, for this machine only",
    };
    runtime.block_on(async {
        let mut interrupts = match Interrupts::listen(None) {
            Ok(interrupts) => interrupts,
            Err(e) => return bad_input(format!("can't listen for signals: {e}")),
        };
        let listening = match Listening::bind(options).await {
            Ok(listening) => listening,
            Err(e) => return bad_input(e),
        };
        terminal::say(&format!("agent: {} ({manner})", listening.address));
        listening.serve(interrupts.stop()).await;
        ExitCode::SUCCESS
    })
}
