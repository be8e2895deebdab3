//! The sentinels that know where the master is, as their address names them. Must not know what a connection to the master is for.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisError, RedisResult,
};

use crate::dial;

/// Sentinels of which none answers within this count as away.
const ANSWER_MAX: Duration = Duration::from_millis(2_000);

/// How an address begins that names sentinels.
pub(crate) const SCHEME: &str = "redis+sentinel://";

/// How such an address is written.
const FORM: &str = "write it as redis+sentinel://user:password@host:26379,host:26379/name?db=0, where user and password are the master's, and name is the name under which the sentinels know it";

/// The sentinels, and the name under which they know the master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    servers: Vec<ConnectionInfo>,
    name: String,
}

impl Sentinels {
    /// Reads an address without its scheme. Also returns the address of the master as a plain one, with the first sentinel's place in it: what
    /// goes with each connection to the master follows from it.
    pub(crate) fn read(rest: &str) -> Result<(Self, String), String> {
        let malformed = |what: &str| format!("{what}; {FORM}");
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (format!("{user}@"), rest),
            None => (String::new(), rest),
        };
        let (place, db) = match rest.split_once('?') {
            None => (rest, "0"),
            Some((place, query)) => {
                let db = query.strip_prefix("db=");
                (
                    place,
                    db.ok_or_else(|| malformed("it takes db and nothing else after ?"))?,
                )
            }
        };
        let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
        if name.is_empty() || name.contains('/') {
            return Err(malformed("the master's name is missing"));
        }
        let urls = hosts.split(',').map(|host| match host.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => format!("redis://{host}"),
            _ => format!("redis://{host}:26379"),
        });
        let servers = urls.map(|url| {
            let server = url.into_connection_info();
            server.map_err(|_| malformed("a host is malformed"))
        });
        let first = hosts.split(',').next().unwrap_or_default();
        Ok((
            Self {
                servers: servers.collect::<Result<_, _>>()?,
                name: name.to_owned(),
            },
            format!("redis://{user}{first}/{db}"),
        ))
    }

    /// Where the master is now: what the first sentinel says that knows it.
    pub(crate) async fn master(&self) -> RedisResult<ConnectionAddr> {
        let asking = self.servers.iter().map(|server| self.ask(server).boxed());
        match tokio::time::timeout(ANSWER_MAX, select_ok(asking)).await {
            Ok(answered) => answered.map(|(address, _)| address),
            Err(_) => Err((ErrorKind::Io, "no sentinel answers in time").into()),
        }
    }

    async fn ask(&self, server: &ConnectionInfo) -> RedisResult<ConnectionAddr> {
        let stream = dial::stream(server.addr(), None);
        let connecting = dial::connection(
            stream,
            server.redis_settings(),
            ANSWER_MAX,
            ANSWER_MAX,
            None,
        );
        let away = |error: RedisError| (ErrorKind::Io, "no sentinel answers", error.to_string());
        let mut connection = connecting.await.map_err(away)?;
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.name)
            .query_async(&mut connection)
            .await
            .map_err(|error| match error.code() {
                None => error,
                Some(_) => {
                    let kind = ErrorKind::InvalidClientConfig;
                    let words = "what answers there is no sentinel, or asks for a password";
                    (kind, words, error.to_string()).into()
                }
            })?;
        let (host, port) = found.ok_or_else(|| {
            let name = format!("{:?}", self.name);
            let kind = ErrorKind::MasterNameNotFoundBySentinel;
            RedisError::from((kind, "the sentinels know no master of this name", name))
        })?;
        Ok(ConnectionAddr::Tcp(host, port))
    }
}
