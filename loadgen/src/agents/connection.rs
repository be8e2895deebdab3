//! The way to an agent: connects, says who is there, and shows the token only to what has answered as an agent does.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::frame::{FromAgent, ToAgent, VERSION};
use super::lines::{LineError, Stream, halves};
use super::wire::Wire;

/// How long an agent may take for each of its first answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest of its first answers.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How a TLS server begins to complain about a client that speaks plain text.
const TLS_ALERT: &[char] = &['\u{15}', '\u{3}'];

/// The agents of a run, and how they are reached.
#[derive(Clone)]
pub struct AgentsOptions {
    /// Their addresses, `host:port`; at least one, none twice.
    pub addresses: Vec<String>,
    /// What they ask for.
    pub token: Option<String>,
    /// How their certificates are verified; without it they are spoken to in plain text.
    pub tls: Option<Arc<ClientConfig>>,
}

/// An agent that waits for this run.
pub struct Connected {
    /// Its address.
    pub address: String,
    /// The cores of its machine.
    pub cores: usize,
    pub wire: Wire<FromAgent, ToAgent>,
}

/// Takes an agent for this run. The error says what is wrong, without its address.
pub async fn connect(address: &str, options: &AgentsOptions) -> Result<Connected, String> {
    let (mut reader, mut writer) = halves(stream(address, options).await?);
    let version = VERSION.to_owned();
    let hello = writer.write(&ToAgent::Hello { version }, PATIENCE).await;
    hello.map_err(|e| format!("the connection broke: {e}"))?;
    match reader.next(ANSWER_BYTES_MAX, PATIENCE).await {
        Ok(FromAgent::Agent { version }) if version == VERSION => {}
        Ok(FromAgent::Agent { version }) => {
            return Err(format!(
                "it is loadgen {version} and this is loadgen {VERSION}; both must have the same version"
            ));
        }
        Ok(_) => return Err("it is no loadgen agent".to_owned()),
        Err(error) => return Err(no_agent(&error)),
    }
    let token = ToAgent::Token(options.token.clone());
    let told = writer.write(&token, PATIENCE).await;
    told.map_err(|e| format!("the connection broke: {e}"))?;
    match reader.next(ANSWER_BYTES_MAX, PATIENCE).await {
        Ok(FromAgent::Welcome { cores }) => Ok(Connected {
            address: address.to_owned(),
            cores,
            wire: Wire::start(
                reader,
                writer,
                || ToAgent::Alive,
                |frame| matches!(frame, FromAgent::Alive),
            ),
        }),
        Ok(FromAgent::Refused(reason)) => Err(reason),
        Ok(_) => Err("it is no loadgen agent".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn stream(address: &str, options: &AgentsOptions) -> Result<Box<dyn Stream>, String> {
    let unreachable = |problem: String| {
        format!(
            "it can't be reached: {problem}; is `loadgen agent --listen {address}` running there?"
        )
    };
    let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| unreachable(format!("no answer in {PATIENCE:?}")))?;
    let stream = stream.map_err(|e| unreachable(e.to_string()))?;
    // Without it a clock's question may wait for company.
    stream.set_nodelay(true).ok();
    let Some(tls) = &options.tls else {
        return Ok(Box::new(stream));
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
    let secured = TlsConnector::from(tls.clone()).connect(name, stream);
    let secured = timeout(PATIENCE, secured).await;
    let secured = secured.map_err(|_| format!("no TLS handshake in {PATIENCE:?}"))?;
    let secured = secured.map_err(|e| {
        format!("no TLS with it: {e}; --ca names who vouches for its certificate, and an agent without --tls-cert is asked without --ca")
    })?;
    Ok(Box::new(secured))
}

fn no_agent(error: &LineError) -> String {
    match error {
        LineError::Foreign(said) if said.starts_with(TLS_ALERT) => {
            "it speaks TLS: name who vouches for its certificate with --ca FILE".to_owned()
        }
        LineError::Closed | LineError::Broken(_) => {
            "it is no loadgen agent, or one that speaks TLS (--ca FILE): it closed the connection"
                .to_owned()
        }
        LineError::Silent(_) | LineError::TooLong(_) | LineError::Foreign(_) => {
            format!("it is no loadgen agent: {error}")
        }
    }
}
