//! A Redis or Valkey that was started elsewhere, as the ground of a run: it is empty at the start and left empty, so that every run has
//! fresh data. The only file of loadgen that sends it commands.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, RedisError};

use super::error::SystemError;
use super::product::Product;
use super::running_cluster::{self, Nodes};

/// Time limit for connecting, and for each answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A running server, or a cluster of them.
pub struct RunningRedis {
    /// The server, or the nodes of the cluster that the address names.
    named: Vec<Client>,
    is_cluster: bool,
    shown: String,
    product: Product,
    processes: Vec<u32>,
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
        match named(url) {
            Ok(_) => Ok(shown),
            Err(e) => Err(SystemError::Server {
                server: shown,
                problem: format!(
                    "not the address of a Redis ({e}); write redis://user:password@host:port/db, rediss://…, redis+unix:///path or redis+cluster://host:port,host:port"
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
        let (named, is_cluster) = named(url).map_err(|e| wrong(e.to_string()))?;
        let (info, keys, processes) = within(&shown, async {
            let nodes = nodes(&named, is_cluster).await?;
            let (mut first, mut keys, mut processes) = (None, 0, Vec::new());
            for client in &nodes.masters {
                let mut connection = connect(client).await?;
                let info = told_by(&mut connection).await?;
                processes.extend(process_of(client, &info));
                first.get_or_insert(info);
                let more: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await?;
                keys += more;
            }
            for client in &nodes.replicas {
                let info = told_by(&mut connect(client).await?).await?;
                processes.extend(process_of(client, &info));
            }
            Ok((first.unwrap_or_default(), keys, processes))
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
            processes,
            product: Product {
                server: if valkey.is_some() { "valkey" } else { "redis" }.to_owned(),
                version: version.unwrap_or("unknown").to_owned(),
            },
            named,
            is_cluster,
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
            for client in nodes(&self.named, self.is_cluster).await?.masters {
                let mut connection = connect(&client).await?;
                redis::cmd("FLUSHDB").exec_async(&mut connection).await?;
            }
            Ok(())
        })
        .await
    }

    /// What it says that it is.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// The process ids of what runs on this machine: the server's, or those of a cluster's masters and replicas.
    pub fn processes(&self) -> &[u32] {
        &self.processes
    }
}

/// The server, or the nodes of the cluster, that an address names; and whether it is a cluster's.
fn named(url: &str) -> redis::RedisResult<(Vec<Client>, bool)> {
    match running_cluster::named(url)? {
        Some(nodes) => Ok((nodes, true)),
        None => Ok((vec![Client::open(url)?], false)),
    }
}

async fn nodes(named: &[Client], is_cluster: bool) -> redis::RedisResult<Nodes> {
    if is_cluster {
        return running_cluster::nodes(named).await;
    }
    Ok(Nodes {
        masters: named.to_vec(),
        replicas: Vec::new(),
    })
}

async fn told_by(connection: &mut MultiplexedConnection) -> redis::RedisResult<String> {
    let mut info = redis::cmd("INFO");
    info.arg("server").query_async(connection).await
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
