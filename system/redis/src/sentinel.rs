//! The sentinels that know where the master is, as their address names them. Must not know what a connection to the master is for.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, RedisResult};

/// Sentinels of which none answers within this count as away, ms.
const ANSWER_MS_MAX: u64 = 2_000;

/// How an address begins that names sentinels.
pub(crate) const SCHEME: &str = "redis+sentinel://";

/// How such an address is written.
const FORM: &str = "write it as redis+sentinel://user:password@host:26379,host:26379/name?db=0, where user and password are the master's, and name is the name under which the sentinels know it";

/// The sentinels, and the name under which they know the master.
#[derive(Clone)]
pub(crate) struct Sentinels {
    clients: Vec<Client>,
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
        let clients =
            urls.map(|url| Client::open(url).map_err(|_| malformed("a host is malformed")));
        let first = hosts.split(',').next().unwrap_or_default();
        Ok((
            Self {
                clients: clients.collect::<Result<_, _>>()?,
                name: name.to_owned(),
            },
            format!("redis://{user}{first}/{db}"),
        ))
    }

    /// Where the master is now: what the first sentinel says that knows it.
    pub(crate) async fn master(&self) -> RedisResult<ConnectionAddr> {
        let asking = self.clients.iter().map(|client| self.ask(client).boxed());
        let limit = Duration::from_millis(ANSWER_MS_MAX);
        match tokio::time::timeout(limit, select_ok(asking)).await {
            Ok(answered) => answered.map(|(address, _)| address),
            Err(_) => Err((ErrorKind::Io, "no sentinel answers in time").into()),
        }
    }

    async fn ask(&self, client: &Client) -> RedisResult<ConnectionAddr> {
        let config = AsyncConnectionConfig::new();
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
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
