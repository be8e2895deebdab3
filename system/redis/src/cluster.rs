//! A Redis Cluster, as its address names it: which master has which slot. Nodes are asked for that with each new dedicated connection, and
//! by the shared ones once they were told that it has changed. Must not know what is sent to a node.

pub(crate) mod map;
pub(crate) mod slot;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value};
use tokio_rustls::TlsConnector;

use crate::dial;
use map::{Map, Node};

/// How such an address begins, and the scheme of one of its nodes.
pub(crate) const SCHEMES: [(&str, &str); 2] = [
    ("redis+cluster://", "redis://"),
    ("rediss+cluster://", "rediss://"),
];

/// How such an address is written.
const FORM: &str = "write it as redis+cluster://user:password@host:port,host:port (rediss+cluster:// with TLS), with as many nodes as you like; the others are found";

/// How long it is waited for a slot that is moving; then the node's answer is the answer.
pub(crate) const MOVING_MAX: Duration = Duration::from_millis(2_000);
/// Nodes of which none answers within this count as away.
const ANSWER_MAX: Duration = Duration::from_millis(2_000);
/// What was asked within this isn't asked again for another new connection, ms: many are opened together.
const TOGETHER_MS: u64 = 50;

/// The cluster, and the nodes that are known of it.
pub(crate) struct Cluster {
    /// The nodes of the address.
    named: Vec<Node>,
    /// What goes with each connection to a node: user, password, TLS.
    settings: ConnectionInfo,
    tls: Option<TlsConnector>,
    last: tokio::sync::Mutex<Last>,
    /// When somebody last found that the map may be wrong.
    doubted: Mutex<Option<Instant>>,
}

/// The last question, and its answer.
struct Last {
    asked_at: Option<Instant>,
    answer: RedisResult<Arc<Map>>,
    /// Those of the last map: they know the next one, wherever the named nodes are by then.
    masters: Vec<Node>,
}

impl Cluster {
    /// Reads an address without its scheme: the addresses of its nodes as plain ones, each beginning with `scheme`.
    pub(crate) fn read(rest: &str, scheme: &str) -> Result<Vec<String>, String> {
        let malformed = |what: &str| format!("{what}; {FORM}");
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (format!("{user}@"), place),
            None => (String::new(), rest),
        };
        let at = place.find(['/', '?']).unwrap_or(place.len());
        let (hosts, database) = place.split_at(at);
        if !["", "/", "/0", "?db=0", "/?db=0"].contains(&database) {
            return Err(malformed("a cluster has database 0 and no other"));
        }
        let nodes = hosts.split(',').map(|host| match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(format!("{scheme}{user}{host}"))
            }
            _ => Err(malformed("each node needs a host and a port")),
        });
        nodes.collect()
    }

    /// A cluster of which these are nodes, at least one.
    pub(crate) fn of(
        named: &[ConnectionInfo],
        settings: ConnectionInfo,
        tls: Option<TlsConnector>,
    ) -> Self {
        let node = |node: &ConnectionInfo| Node::of(node.addr());
        Self {
            named: named.iter().filter_map(node).collect(),
            settings,
            tls,
            last: tokio::sync::Mutex::new(Last {
                asked_at: None,
                answer: Err((ErrorKind::Io, "the cluster was not asked yet").into()),
                masters: Vec::new(),
            }),
            doubted: Mutex::default(),
        }
    }

    /// The address of the master that has the key now, or, without a key, of the one that is asked for what belongs to no slot.
    pub(crate) async fn owner(&self, key: Option<&str>) -> RedisResult<ConnectionAddr> {
        let map = self.now().await?;
        let owner = map.owner(key.map(|key| slot::of_key(key.as_bytes())));
        Ok(self.address(owner?))
    }

    /// The addresses of all masters.
    pub(crate) async fn masters(&self) -> RedisResult<Vec<ConnectionAddr>> {
        let map = self.now().await?;
        Ok(map
            .masters()
            .iter()
            .map(|node| self.address(node))
            .collect())
    }

    /// The slot of a key.
    pub(crate) fn slot_of(key: &str) -> usize {
        slot::of_key(key.as_bytes())
    }

    /// The map, asked for now.
    async fn now(&self) -> RedisResult<Arc<Map>> {
        self.map(Some(Instant::now())).await
    }

    /// The last map, or the next one if that is in doubt.
    pub(crate) async fn remembered(&self) -> RedisResult<Arc<Map>> {
        let doubted = *self.doubted();
        self.map(doubted).await
    }

    /// Says that the last map is wrong, or the node that it names away.
    pub(crate) fn doubt(&self) {
        *self.doubted() = Some(Instant::now());
    }

    fn doubted(&self) -> MutexGuard<'_, Option<Instant>> {
        // A panic elsewhere leaves a time.
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node's address.
    pub(crate) fn address(&self, node: &Node) -> ConnectionAddr {
        node.addr(self.settings.addr())
    }

    /// A map that was asked for at `since` or later, or together with others.
    async fn map(&self, since: Option<Instant>) -> RedisResult<Arc<Map>> {
        let called = Instant::now();
        let mut last = self.last.lock().await;
        let is_enough = last.asked_at.is_some_and(|at| {
            let is_new = since.is_none_or(|since| since <= at);
            at + Duration::from_millis(TOGETHER_MS) >= called || (is_new && last.answer.is_ok())
        });
        if !is_enough {
            last.asked_at = Some(Instant::now());
            let nodes = self.named.iter().chain(&last.masters);
            last.answer = self.ask(nodes.collect()).await.map(Arc::new);
            if let Ok(map) = last.answer.clone() {
                last.masters = map.masters().to_vec();
            }
        }
        last.answer.clone()
    }

    /// Asks nodes at once; the first that knows a cluster in working order counts.
    async fn ask(&self, nodes: BTreeSet<&Node>) -> RedisResult<Map> {
        let asking = nodes.into_iter().map(|node| self.ask_one(node));
        let mut answers: FuturesUnordered<_> = asking.collect();
        let mut worst: Option<RedisError> = None;
        let first = async {
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(map) => return Some(map),
                    // What waiting doesn't mend says more than that a node is away.
                    Err(error) if worst.as_ref().is_none_or(RedisError::is_io_error) => {
                        worst = Some(error);
                    }
                    Err(_) => {}
                }
            }
            None
        };
        let answered = tokio::time::timeout(ANSWER_MAX, first).await;
        let late = (ErrorKind::Io, "no node of the cluster answers in time");
        answered
            .unwrap_or_default()
            .ok_or_else(|| worst.unwrap_or_else(|| late.into()))
    }

    async fn ask_one(&self, node: &Node) -> RedisResult<Map> {
        let address = self.address(node);
        let asking = async {
            let stream = dial::stream(&address, self.tls.as_ref());
            let settings = self.settings.redis_settings();
            let connecting = dial::connection(stream, settings, ANSWER_MAX, ANSWER_MAX, None);
            let mut connection = connecting.await?;
            let mut ask = redis::cmd("CLUSTER");
            let info: String = ask.arg("INFO").query_async(&mut connection).await?;
            let mut ask = redis::cmd("CLUSTER");
            let slots: Value = ask.arg("SLOTS").query_async(&mut connection).await?;
            Ok((info, slots))
        };
        let (info, slots) = asking.await.map_err(refused)?;
        let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
        let given: usize = field("cluster_slots_assigned:")
            .and_then(|count| count.parse().ok())
            .unwrap_or_default();
        if given < slot::SLOTS {
            let found = format!("{given} of {} slots have a node", slot::SLOTS);
            let words = "the cluster isn't whole, so that a part of the keys has no place";
            return Err((ErrorKind::InvalidClientConfig, words, found).into());
        }
        if field("cluster_state:") != Some("ok") {
            // A failover may be under way; or the node is cut off from the others.
            let state = "the cluster takes no commands now (cluster_state)";
            return Err((ErrorKind::Io, state).into());
        }
        Map::read(slots, node)
            .ok_or_else(|| (ErrorKind::UnexpectedReturnType, "CLUSTER SLOTS").into())
    }
}

/// What it means that a node doesn't say which slots there are.
fn refused(error: RedisError) -> RedisError {
    match error.detail() {
        Some(detail) if detail.contains("cluster support disabled") => {
            let words =
                "what answers there is no node of a cluster: write redis:// for a single server";
            (ErrorKind::InvalidClientConfig, words).into()
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_nodes_and_no_database_but_the_first() {
        let read = |rest| Cluster::read(rest, "redis://");
        assert_eq!(
            read("ann:x%40y@h:1,[::1]:2").unwrap(),
            ["redis://ann:x%40y@h:1", "redis://ann:x%40y@[::1]:2"]
        );
        for rest in ["h:1", "h:1/", "h:1/0", "h:1?db=0"] {
            assert_eq!(read(rest).unwrap(), ["redis://h:1"], "{rest}");
        }
        for (rest, what) in [
            ("h:1/1", "database 0"),
            ("h:1?db=2", "database 0"),
            ("h", "a host and a port"),
            ("h:1,", "a host and a port"),
            (":1", "a host and a port"),
            ("", "a host and a port"),
        ] {
            let said = read(rest).unwrap_err();
            assert!(
                said.contains(what) && said.contains("redis+cluster"),
                "{rest}: {said}"
            );
        }
    }
}
