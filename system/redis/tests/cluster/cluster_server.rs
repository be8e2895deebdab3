//! A Redis Cluster of processes on this machine: masters and their replicas, whose slots move and whose masters die.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::redis_server::{ForeignRedis, free_port};

/// How long a node may be silent before the others count it as gone, ms.
const NODE_TIMEOUT_MS: &str = "2000";
/// How long the cluster may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
const SLOTS: usize = 16_384;

/// A running cluster; its nodes are killed when it is dropped.
pub struct RedisCluster {
    nodes: Vec<Node>,
    masters: usize,
}

struct Node {
    server: ForeignRedis,
    port: u16,
    bus: u16,
    id: String,
    /// Whether it is killed or paused.
    is_struck: AtomicBool,
}

impl RedisCluster {
    /// Starts three masters, with a replica each if they are asked for, and waits until all of them work.
    pub async fn start(with_replicas: bool, more: &[&str]) -> Self {
        let masters = 3;
        let mut nodes = Vec::new();
        for _ in 0..if with_replicas { 2 * masters } else { masters } {
            nodes.push(Node::start(more).await);
        }
        for (at, node) in nodes.iter().enumerate() {
            // Otherwise two of them may begin with the same epoch, and have to agree first.
            let epoch = (at + 1).to_string();
            node.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            if at < masters {
                let (from, to) = (SLOTS * at / masters, SLOTS * (at + 1) / masters - 1);
                let (from, to) = (from.to_string(), to.to_string());
                node.tell(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await;
            }
            let (port, bus) = (nodes[0].port.to_string(), nodes[0].bus.to_string());
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus];
            if at > 0 {
                node.tell(&meet).await;
            }
        }
        let known = format!("cluster_known_nodes:{}", nodes.len());
        for node in &nodes {
            node.until("it knows all", &["CLUSTER", "INFO"], &known)
                .await;
        }
        for at in masters..nodes.len() {
            let master = nodes[at - masters].id.clone();
            let replicate = ["CLUSTER", "REPLICATE", &master];
            nodes[at].tell(&replicate).await;
        }
        for (at, node) in nodes.iter().enumerate() {
            let state = "cluster_state:ok";
            node.until("it works", &["CLUSTER", "INFO"], state).await;
            let replication = &["INFO", "replication"];
            if at >= masters {
                let up = "master_link_status:up";
                node.until("the replica is in step", replication, up).await;
            } else if with_replicas {
                let online = "state=online";
                node.until("it has a replica", replication, online).await;
            }
        }
        Self { nodes, masters }
    }

    /// Its address: one of its nodes, which knows the others.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.nodes[1].port)
    }

    /// The address of its nodes, as a user.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        let hosts = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port));
        let hosts: Vec<String> = hosts.collect();
        format!("redis+cluster://{user}:{password}@{}", hosts.join(","))
    }

    /// Sends a command to every master that lives; returns their answers.
    pub async fn tell_each(&self, words: &[&str]) -> Vec<String> {
        let mut told = Vec::new();
        for (_, node) in self.answering() {
            let role = node.tell(&["INFO", "replication"]).await;
            if role.contains("role:master") {
                told.push(node.tell(words).await);
            }
        }
        told
    }

    /// The nodes that are neither killed nor paused, with their numbers.
    fn answering(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| !node.is_struck.load(Ordering::Relaxed))
    }

    /// The number of the node that has a key, as the first of the others says that lives.
    pub async fn owner(&self, key: &str) -> usize {
        let slot = self.slot(key).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (_, node) in self.answering() {
                let told = node.tell(&["CLUSTER", "NODES"]).await;
                let of = told.lines().find(|line| has(line, slot)).and_then(|line| {
                    let id = line.split(' ').next()?;
                    self.nodes.iter().position(|node| node.id == id)
                });
                if let Some(of) = of {
                    return of;
                }
            }
            assert!(Instant::now() < deadline, "no node has {key}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> usize {
        let (_, node) = self.answering().next().expect("a node that answers");
        let said = node.tell(&["CLUSTER", "KEYSLOT", key]).await;
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// Moves the slot of a key, with all its keys, to the next master; `meanwhile` goes on while a part of them is there and a part here.
    pub async fn move_slot_of(&self, key: &str, meanwhile: impl AsyncFn()) {
        self.knows_one_epoch().await;
        let slot = self.slot(key).await.to_string();
        let from = self.owner(key).await;
        let to = (from + 1) % self.masters;
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let set = async |node: &Node, how: &[&str]| {
            let words = [&["CLUSTER", "SETSLOT", &slot], how].concat();
            node.tell(&words).await;
        };
        set(to, &["IMPORTING", &from.id]).await;
        set(from, &["MIGRATING", &to.id]).await;
        let port = to.port.to_string();
        loop {
            // Two at a time, so that transactions and scripts find a part of their keys.
            let find = ["CLUSTER", "GETKEYSINSLOT", &slot, "2"];
            let keys = from.server.ask(&find).await.unwrap();
            let keys: Vec<String> = redis::from_redis_value(keys).unwrap();
            if keys.is_empty() {
                break;
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.iter().map(|key| &**key));
            from.tell(&migrate).await;
            meanwhile().await;
        }
        for node in [to, from].into_iter().chain(&self.nodes[..self.masters]) {
            set(node, &["NODE", &to.id]).await;
        }
    }

    /// Waits until all nodes know the same epoch. Otherwise the next owner of a slot may take an epoch below that of the former one: then each
    /// says that the other has the slot, for ever.
    async fn knows_one_epoch(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut epochs = BTreeSet::new();
            for (_, node) in self.answering() {
                let told = node.tell(&["CLUSTER", "INFO"]).await;
                let epoch = |line: &str| {
                    line.strip_prefix("cluster_current_epoch:")
                        .map(str::to_owned)
                };
                epochs.insert(told.lines().find_map(epoch));
            }
            if epochs.len() == 1 {
                return;
            }
            assert!(Instant::now() < deadline, "the nodes know {epochs:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts a node again that was killed, and waits until it is a replica in step.
    pub async fn restart(&mut self, node: usize) {
        self.nodes[node].server.restart().await;
        self.is_replica(node).await;
    }

    /// Lets a node go on that was paused, and waits until it is a replica in step.
    pub async fn go_on(&self, node: usize) {
        self.nodes[node].server.signal("CONT");
        self.is_replica(node).await;
    }

    async fn is_replica(&self, node: usize) {
        let replication = &["INFO", "replication"];
        let up = "master_link_status:up";
        let node = &self.nodes[node];
        node.is_struck.store(false, Ordering::Relaxed);
        node.until("it is a replica in step", replication, up).await;
    }

    /// Kills the master that has a key, and waits until its replica has taken its place; returns the number of the dead one.
    pub async fn kill_owner(&self, key: &str) -> usize {
        self.strike_owner(key, "KILL").await
    }

    /// The same with any signal that ends or pauses the master.
    pub async fn strike_owner(&self, key: &str, signal: &str) -> usize {
        let struck = self.owner(key).await;
        self.nodes[struck].server.signal(signal);
        let is_struck = &self.nodes[struck].is_struck;
        is_struck.store(true, Ordering::Relaxed);
        self.is_elsewhere(key, struck).await;
        struck
    }

    /// Waits until another node has a key, and the cluster works.
    async fn is_elsewhere(&self, key: &str, former: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.owner(key).await == former {
            assert!(Instant::now() < deadline, "no replica takes its place");
            // The nodes need the processor for their vote.
            tokio::time::sleep(LOOK).await;
        }
        for (_, node) in self.answering() {
            let state = "cluster_state:ok";
            node.until("it works again", &["CLUSTER", "INFO"], state)
                .await;
        }
    }
}

/// Whether a line of `CLUSTER NODES` is that of a master with a slot.
fn has(line: &str, slot: usize) -> bool {
    let is_master = line
        .split(' ')
        .nth(2)
        .is_some_and(|flags| flags.contains("master"));
    let mut ranges = line.split(' ').skip(8);
    is_master
        && ranges.any(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            matches!((from.parse(), to.parse()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
        })
}

impl Node {
    async fn start(more: &[&str]) -> Self {
        let (port, bus) = (free_port(), free_port());
        let (own_port, own_bus) = (port.to_string(), bus.to_string());
        let own = ["--port", &own_port, "--cluster-enabled", "yes"];
        let cluster = ["--cluster-port", &own_bus, "--cluster-node-timeout"];
        let timing = [NODE_TIMEOUT_MS, "--cluster-replica-validity-factor", "0"];
        let replicas = ["--repl-diskless-sync-delay", "0"];
        let arguments = [&own[..], &cluster, &timing, &replicas, more].concat();
        let server = ForeignRedis::start(&arguments).await;
        let id = server.tell(&["CLUSTER", "MYID"]).await;
        Self {
            server,
            port,
            bus,
            id,
            is_struck: AtomicBool::new(false),
        }
    }

    async fn tell(&self, words: &[&str]) -> String {
        self.server.tell(words).await
    }

    async fn until(&self, what: &str, words: &[&str], part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.tell(words).await;
            if said.contains(part) {
                return;
            }
            assert!(Instant::now() < deadline, "not in time: {what}: {said}");
            tokio::time::sleep(LOOK).await;
        }
    }
}
