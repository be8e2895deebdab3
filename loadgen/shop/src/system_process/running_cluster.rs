//! The nodes of a Redis Cluster that was started elsewhere. Must not know what is sent to them.

use redis::{Client, ConnectionAddr, ErrorKind, RedisResult, Value};

/// How the address of a cluster begins, and that of one of its nodes.
const SCHEMES: [(&str, &str); 2] = [
    ("redis+cluster://", "redis://"),
    ("rediss+cluster://", "rediss://"),
];

/// A cluster's masters, and their replicas.
pub struct Nodes {
    /// Those that have slots.
    pub masters: Vec<Client>,
    /// Those that only copy.
    pub replicas: Vec<Client>,
}

/// The nodes that an address names; `None` if it is no cluster's.
///
/// # Errors
/// It can't be read.
pub fn named(url: &str) -> RedisResult<Option<Vec<Client>>> {
    let found = SCHEMES
        .iter()
        .find_map(|(scheme, plain)| Some((url.strip_prefix(scheme)?, plain)));
    let Some((rest, plain)) = found else {
        return Ok(None);
    };
    let (user, hosts) = rest.rsplit_once('@').unwrap_or(("", rest));
    let at = if user.is_empty() { "" } else { "@" };
    let clients = hosts
        .split(',')
        .map(|host| Client::open(format!("{plain}{user}{at}{host}")));
    clients.collect::<RedisResult<_>>().map(Some)
}

/// The nodes that the first of these knows that answers.
///
/// # Errors
/// None answers, or what answers there is no node of a cluster.
pub async fn nodes(named: &[Client]) -> RedisResult<Nodes> {
    let mut last = (ErrorKind::Client, "no node is named").into();
    for client in named {
        match ask(client).await {
            Ok(nodes) => return Ok(nodes),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(client: &Client) -> RedisResult<Nodes> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let ranges: Vec<Vec<Value>> = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async(&mut connection)
        .await?;
    let mut nodes = Nodes {
        masters: Vec::new(),
        replicas: Vec::new(),
    };
    let mut known = Vec::new();
    for range in ranges {
        // The first two values are the slots.
        for (at, node) in range.into_iter().skip(2).enumerate() {
            let mut node = redis::from_redis_value::<Vec<Value>>(node)?.into_iter();
            let mut next = || node.next().unwrap_or_default();
            let host: Option<String> = redis::from_redis_value(next())?;
            let port: u16 = redis::from_redis_value(next())?;
            let place = (host.filter(|host| !host.is_empty()), port);
            if known.contains(&place) {
                continue;
            }
            let found = Client::open(at_place(client, place.clone()))?;
            known.push(place);
            match at {
                0 => nodes.masters.push(found),
                _ => nodes.replicas.push(found),
            }
        }
    }
    Ok(nodes)
}

/// How another node is reached; one that doesn't know its own host has that of the node that was asked.
fn at_place(asked: &Client, (host, port): (Option<String>, u16)) -> redis::ConnectionInfo {
    let info = asked.get_connection_info().clone();
    let addr = match info.addr().clone() {
        ConnectionAddr::Tcp(own, _) => ConnectionAddr::Tcp(host.unwrap_or(own), port),
        ConnectionAddr::TcpTls {
            host: own,
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host: host.unwrap_or(own),
            port,
            insecure,
            tls_params,
        },
        other => other,
    };
    info.set_addr(addr)
}
