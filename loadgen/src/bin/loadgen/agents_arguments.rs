//! The arguments of a run whose load agents drive: where they are, and how they are reached.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use loadgen::agents::{Agents, AgentsOptions};
use loadgen::run::{RunError, drivers_each};
use loadgen_engine::http_client::authorities;
use loadgen_scenario::Scenario;
use rustls::ClientConfig;
use rustls::crypto::ring;

use crate::ending::Failure;

#[derive(Args)]
pub struct AgentsArguments {
    /// Have these agents (`loadgen agent`) drive the load, each its share of one schedule [example: 10.0.0.7:7070,10.0.0.8:7070]
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',', value_parser = address)]
    agents: Vec<String>,
    /// Show the agents the token in this file
    #[arg(long, value_name = "FILE", requires = "agents")]
    token_file: Option<PathBuf>,
    /// Speak TLS with the agents, and trust the certificate authority in this PEM file for them
    #[arg(long, value_name = "FILE", requires = "agents")]
    ca: Option<PathBuf>,
}

/// Checks an agent's address.
fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) if port > 0 => Ok(text.to_owned()),
        _ => Err("write HOST:PORT, as the agent's --listen has it".to_owned()),
    }
}

/// The token in a file, without the white space around it. The error is for people.
pub fn token(path: &Path) -> Result<String, String> {
    let wrong = |problem: String| format!("--token-file {}: {problem}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    match text.trim() {
        "" => Err(wrong("the file is empty".to_owned())),
        token => Ok(token.to_owned()),
    }
}

impl AgentsArguments {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.token_file, &self.ca];
        files.into_iter().flatten().map(PathBuf::as_path)
    }

    /// The agents, if any are given. They drive this scenario with so many drivers each, at a system that is started here and listens on this
    /// address, or at one that runs already.
    pub fn options(
        &self,
        scenario: &Scenario,
        drivers: Option<usize>,
        listen: Option<IpAddr>,
    ) -> Result<Option<AgentsOptions>, Failure> {
        if self.agents.is_empty() {
            return Ok(None);
        }
        drivers_each(scenario, drivers, Some(self.agents.len())).map_err(Failure::bad_input)?;
        let elsewhere = self.agents.iter().find(|agent| !is_here(agent));
        if let (Some(agent), Some(listen)) = (elsewhere, listen.filter(IpAddr::is_loopback)) {
            return Err(Failure::bad_input(format!(
                "--agents: {agent} can't reach a system that is started here, which listens on {listen}; give the address by which the agents reach this machine with --system-listen IP, or (run, capacity) a running system with --target URL"
            )));
        }
        let mut addresses = self.agents.clone();
        addresses.sort();
        if let Some(pair) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            let twice = &pair[0];
            return Err(Failure::bad_input(format!(
                "--agents: {twice} is given twice; an agent carries out one share of a run"
            )));
        }
        let tls = self.ca.as_deref().map(client).transpose();
        let token = self.token_file.as_deref().map(token).transpose();
        Ok(Some(AgentsOptions {
            addresses: self.agents.clone(),
            token: token.map_err(Failure::bad_input)?,
            tls: tls.map_err(Failure::bad_input)?,
        }))
    }
}

/// Whether an agent's address is one that each machine has for itself.
fn is_here(agent: &str) -> bool {
    let host = agent.rsplit_once(':').map_or(agent, |(host, _)| host);
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    ip.map_or(host == "localhost", |ip| ip.is_loopback())
}

/// Takes the agents, if there are any, for as long as they are used.
pub async fn taken(options: Option<AgentsOptions>) -> Result<Option<Arc<Agents>>, RunError> {
    let Some(options) = options else {
        return Ok(None);
    };
    let taken = Agents::take(options).await;
    taken
        .map(|agents| Some(Arc::new(agents)))
        .map_err(RunError::BadInput)
}

fn client(ca: &Path) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| format!("TLS: {e}"))?;
    let config = builder.with_root_certificates(authorities("--ca", ca)?);
    Ok(Arc::new(config.with_no_client_auth()))
}
