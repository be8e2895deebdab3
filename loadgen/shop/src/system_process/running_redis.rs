//! A Redis or Valkey that was started elsewhere, as the ground of a run: it is empty at the start and left empty, so that every run has
//! fresh data. The only file of loadgen that sends it commands.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, RedisError};

use super::error::SystemError;
use super::product::Product;

/// Time limit for connecting, and for each answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A running server.
pub struct RunningRedis {
    client: Client,
    shown: String,
    product: Product,
    process: Option<u32>,
}

impl RunningRedis {
    /// The address without user and password.
    ///
    /// # Errors
    /// It can't be read.
    pub fn shown(url: &str) -> Result<String, SystemError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let shown = format!("{scheme}://{place}");
        match Client::open(url) {
            Ok(_) => Ok(shown),
            Err(e) => Err(SystemError::Server {
                server: shown,
                problem: format!(
                    "not the address of a Redis ({e}); write redis://user:password@host:port/db, rediss://… or redis+unix:///path"
                ),
            }),
        }
    }

    /// Connects and makes sure that the server's database is empty.
    ///
    /// # Errors
    /// It can't be reached, or it holds keys and they may not be deleted.
    pub async fn emptied(url: &str, may_delete: bool) -> Result<Self, SystemError> {
        let shown = Self::shown(url)?;
        let wrong = |problem: String| SystemError::Server {
            server: shown.clone(),
            problem,
        };
        let client = Client::open(url).map_err(|e| wrong(e.to_string()))?;
        let (info, keys) = within(&shown, async {
            let mut connection = connect(&client).await?;
            let info: String = redis::cmd("INFO")
                .arg("server")
                .query_async(&mut connection)
                .await?;
            let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await?;
            Ok((info, keys))
        })
        .await?;
        if keys > 0 && !may_delete {
            return Err(wrong(format!(
                "it holds {keys} keys, and each run starts with an empty database; give an empty server or another database (redis://host:port/1), or let loadgen delete all keys of this one with --empty-redis"
            )));
        }
        let valkey = field(&info, "valkey_version");
        let version = valkey.or_else(|| field(&info, "redis_version"));
        let server = Self {
            process: process_of(&client, &info),
            product: Product {
                server: if valkey.is_some() { "valkey" } else { "redis" }.to_owned(),
                version: version.unwrap_or("unknown").to_owned(),
            },
            client,
            shown: shown.clone(),
        };
        server.empty().await?;
        Ok(server)
    }

    /// Deletes all keys of its database.
    ///
    /// # Errors
    /// It can't be reached or refuses.
    pub async fn empty(&self) -> Result<(), SystemError> {
        within(&self.shown, async {
            let mut connection = connect(&self.client).await?;
            redis::cmd("FLUSHDB").query_async(&mut connection).await
        })
        .await
    }

    /// What it says that it is.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// Its process id, if it runs on this machine.
    pub fn process(&self) -> Option<u32> {
        self.process
    }
}

async fn connect(client: &Client) -> redis::RedisResult<MultiplexedConnection> {
    client.get_multiplexed_async_connection().await
}

async fn within<T>(
    shown: &str,
    work: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, SystemError> {
    let wrong = |problem: String| SystemError::Server {
        server: shown.to_owned(),
        problem,
    };
    match tokio::time::timeout(ANSWER_WITHIN, work).await {
        Ok(answer) => answer.map_err(|e: RedisError| wrong(e.to_string())),
        Err(_) => Err(wrong(format!("no answer within {ANSWER_WITHIN:?}"))),
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// The server's process id, if it is on this machine and not in a container with process ids of its own.
fn process_of(client: &Client, info: &str) -> Option<u32> {
    let here = match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
            matches!(host.as_str(), "127.0.0.1" | "localhost" | "::1")
        }
        _ => true,
    };
    let id: u32 = field(info, "process_id")?.parse().ok()?;
    let name = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("comm"));
    let is_server = |name: String| name.starts_with("redis") || name.starts_with("valkey");
    (here && name.is_ok_and(is_server)).then_some(id)
}
