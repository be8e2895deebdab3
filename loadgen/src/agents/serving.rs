//! An agent: listens, lets in who has the right version and token, one at a time, and carries out a part of each one's run.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::frame::{FromAgent, ToAgent, VERSION};
use super::lines::{FrameReader, FrameWriter, Stream, halves};
use super::session::Session;
use super::wire::Wire;
use crate::terminal;
use loadgen_engine::http_client::ConnectOptions;

/// How long who has connected may take for each step before the agent is theirs.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest frame of somebody who has not shown the token yet.
const STRANGER_BYTES_MAX: usize = 64 << 10;
/// How many may knock at once.
const STRANGERS_MAX: usize = 64;
/// Pause after a connection that can't be taken: most likely no descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// How an agent is reached, and how it reaches targets.
pub struct AgentOptions {
    /// The address to listen on.
    pub listen: String,
    /// What must be shown; without it only this machine is listened to.
    pub token: Option<String>,
    /// Its certificate; without it the connections are plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// How targets are reached from here.
    pub connect: ConnectOptions,
}

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It is in use, or not this machine's.
    #[error(
        "--listen {address}: {error}; give an address of this machine with a free port, as in 127.0.0.1:7070 (port 0 takes any free one)"
    )]
    Listen {
        /// As given.
        address: String,
        /// The cause.
        error: io::Error,
    },
    /// Other machines could have this one send requests anywhere.
    #[error(
        "--listen {0}: other machines can reach it, so it needs a token: give --token-file FILE, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
}

/// An agent that listens.
pub struct Listening {
    listener: TcpListener,
    /// Where, with the port that was taken.
    pub address: SocketAddr,
    agent: Arc<Agent>,
}

/// What the connections of an agent share.
pub struct Agent {
    token: Option<String>,
    tls: Option<Arc<ServerConfig>>,
    /// How targets are reached from here.
    pub connect: ConnectOptions,
    /// Who uses it.
    user: Mutex<Option<SocketAddr>>,
    /// Cancelled when the agent ends.
    pub leaving: CancellationToken,
}

impl Listening {
    /// Listens; nobody is let in yet.
    ///
    /// # Errors
    /// The address can't be listened on, or other machines could use the agent without a token.
    pub async fn bind(options: AgentOptions) -> Result<Self, AgentError> {
        let failed = |error| AgentError::Listen {
            address: options.listen.clone(),
            error,
        };
        let listener = TcpListener::bind(&options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if options.token.is_none() && !address.ip().is_loopback() {
            return Err(AgentError::Open(address));
        }
        Ok(Self {
            listener,
            address,
            agent: Arc::new(Agent {
                token: options.token,
                tls: options.tls,
                connect: options.connect,
                user: Mutex::default(),
                leaving: CancellationToken::new(),
            }),
        })
    }

    /// Serves one user after the other until `end`; a run that goes on then is ended at once.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let mut sessions = JoinSet::new();
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                taken = self.listener.accept() => match taken {
                    Ok((stream, peer)) if sessions.len() < STRANGERS_MAX => {
                        sessions.spawn(session(stream, peer, self.agent.clone()));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(_) = sessions.join_next() => {}
            }
        }
        self.agent.leaving.cancel();
        timeout(PATIENCE, sessions.join_all()).await.ok();
    }
}

/// The agent is somebody's until this is dropped.
struct Occupied(Arc<Agent>, SocketAddr);

impl Agent {
    /// Takes the agent for `peer`. The error says who has it.
    fn occupy(self: &Arc<Self>, peer: SocketAddr) -> Result<Occupied, String> {
        let mut user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = *user {
            return Err(format!(
                "{user} uses it; an agent carries out one run, search or experiment at a time"
            ));
        }
        *user = Some(peer);
        Ok(Occupied(self.clone(), peer))
    }

    /// What is wrong with a token.
    fn refuses(&self, shown: Option<&str>) -> Option<&'static str> {
        match (self.token.as_deref(), shown) {
            (None, _) => None,
            (Some(_), None) => Some("it asks for a token: give --token-file FILE"),
            (Some(token), Some(shown)) => (!is_same(token, shown))
                .then_some("the token is wrong: --token-file must have the agent's token"),
        }
    }
}

/// In a time that tells nothing of where the first difference is.
fn is_same(token: &str, shown: &str) -> bool {
    let differences = token.bytes().zip(shown.bytes());
    let differs = differences.fold(0, |differs, (a, b)| differs | (a ^ b));
    token.len() == shown.len() && differs == 0
}

impl Drop for Occupied {
    fn drop(&mut self) {
        *self.0.user.lock().unwrap_or_else(PoisonError::into_inner) = None;
        terminal::note(&format!("free again: {} has ended", self.1));
    }
}

async fn session(stream: TcpStream, peer: SocketAddr, agent: Arc<Agent>) {
    stream.set_nodelay(true).ok();
    let stream: Box<dyn Stream> = match &agent.tls {
        None => Box::new(stream),
        Some(tls) => {
            let secured = TlsAcceptor::from(tls.clone()).accept(stream);
            match timeout(PATIENCE, secured).await {
                Ok(Ok(secured)) => Box::new(secured),
                // Who doesn't speak TLS, or doesn't trust the certificate, was told by the handshake.
                _ => return,
            }
        }
    };
    let (mut reader, mut writer) = halves(stream);
    match let_in(&mut reader, &mut writer, peer, &agent).await {
        Ok(Some(occupied)) => {
            terminal::note(&format!("in use by {peer}"));
            let wire = Wire::start(
                reader,
                writer,
                || FromAgent::Alive,
                |frame| matches!(frame, ToAgent::Alive),
            );
            let session = Session {
                wire,
                connect: agent.connect.clone(),
                leaving: agent.leaving.clone(),
            };
            session.carry_out().await;
            drop(occupied);
        }
        Ok(None) => {}
        Err(reason) => {
            terminal::note(&format!("{peer} was refused: {reason}"));
            writer
                .write(&FromAgent::Refused(reason), PATIENCE)
                .await
                .ok();
            writer.close().await;
        }
    }
}

/// The first words. `None` if they led to nothing that the other side doesn't know itself.
async fn let_in(
    reader: &mut FrameReader,
    writer: &mut FrameWriter,
    peer: SocketAddr,
    agent: &Arc<Agent>,
) -> Result<Option<Occupied>, String> {
    let Ok(ToAgent::Hello { version }) = reader.next(STRANGER_BYTES_MAX, PATIENCE).await else {
        return Err("this is an agent of loadgen: only loadgen's --agents can use it".into());
    };
    let mine = FromAgent::Agent {
        version: VERSION.to_owned(),
    };
    if writer.write(&mine, PATIENCE).await.is_err() {
        return Ok(None);
    }
    if version != VERSION {
        return Err(format!(
            "this is loadgen {VERSION} and the run's is {version}; both must have the same version"
        ));
    }
    let Ok(ToAgent::Token(shown)) = reader.next(STRANGER_BYTES_MAX, PATIENCE).await else {
        return Ok(None);
    };
    if let Some(problem) = agent.refuses(shown.as_deref()) {
        return Err(problem.to_owned());
    }
    let occupied = agent.occupy(peer)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let welcome = FromAgent::Welcome { cores };
    let welcomed = writer.write(&welcome, PATIENCE).await;
    Ok(welcomed.ok().map(|()| occupied))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(is_same("secret", "secret"));
        for wrong in ["", "secre", "secrets", "Secret", "secreu"] {
            assert!(!is_same("secret", wrong), "{wrong}");
        }
    }
}
