//! What the shop needs of a Redis, in one list: commands, keys, settings. Must not know how a server is asked for them.

use std::fmt;

use crate::address::RedisUrl;
use crate::durability::Durability;
use crate::replicas::ReplicasAsked;
use ordershop_contract::partition::Partitions;

/// What somebody asks of a server beside what is always needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// How durable it must be at least.
    pub durability: Option<Durability>,
    /// The replicas that must have what is written.
    pub replicas: ReplicasAsked,
    /// How many partitions the topics of its shop must have.
    pub partitions: Partitions,
}

/// A command that the shop sends, as an access rule names it (`xadd`, `client|list`), with arguments that are valid for it.
pub(crate) struct NeededCommand {
    pub rule: &'static str,
    pub arguments: &'static [&'static str],
}

const fn needed(rule: &'static str, arguments: &'static [&'static str]) -> NeededCommand {
    NeededCommand { rule, arguments }
}

/// Commands of transactions. They are asked for one by one, as none of them can stand in a transaction.
pub(crate) const TRANSACTION: [NeededCommand; 3] = [
    needed("watch", &["fence:{x}"]),
    needed("exec", &[]),
    needed("multi", &[]),
];

/// All other commands, those of the scripts too.
pub(crate) const COMMANDS: [NeededCommand; 57] = [
    needed("blmove", &["mq:{x}", "mq:{x}:y", "LEFT", "RIGHT", "1"]),
    needed("blmpop", &["1", "1", "mq:{x}", "LEFT"]),
    needed("client|id", &[]),
    needed("client|kill", &["ID", "1"]),
    needed("client|list", &["ID", "1"]),
    needed("client|setname", &["x"]),
    needed("del", &["mq:{x}"]),
    needed("eval", &["return 1", "0"]),
    needed(
        "evalsha",
        &["0000000000000000000000000000000000000000", "0"],
    ),
    needed("exists", &["mq:{x}"]),
    needed("expire", &["mq:{x}", "1"]),
    needed("get", &["position:{x}"]),
    needed("getex", &["lease:{x}"]),
    needed("hdel", &["entities:{x}", "y"]),
    needed("hlen", &["versions:{x}"]),
    needed("hmget", &["entities:{x}", "y"]),
    needed("hscan", &["versions:{x}", "0"]),
    needed("hset", &["entities:{x}", "y", "z"]),
    needed("incr", &["fence:{x}"]),
    INFO,
    needed("llen", &["mq:{x}"]),
    needed("lpop", &["mq:{x}"]),
    needed("lpush", &["mq:{x}", "y"]),
    needed("lrange", &["mq:{x}", "0", "0"]),
    needed("lrem", &["mq:{x}", "1", "y"]),
    needed("ltrim", &["mq:{x}", "0", "0"]),
    needed("pexpire", &["lease:{x}", "1"]),
    needed("rpush", &["mq:{x}", "y"]),
    needed("sadd", &["mq:{x}", "y"]),
    needed("scard", &["mq:{x}"]),
    needed("script|load", &["return 1"]),
    needed("select", &["0"]),
    needed("set", &["position:{x}", "y"]),
    needed("sismember", &["mq:{x}", "y"]),
    needed("smembers", &["mq:{x}"]),
    needed("spublish", &["applied:{x}", "y"]),
    needed("ssubscribe", &["applied:{x}"]),
    needed("time", &[]),
    needed("unlink", &["entities:{x}"]),
    needed("xack", &["events:{x}", "y", "0-1"]),
    needed("xadd", &["events:{x}", "*", "y", "z"]),
    needed("xautoclaim", &["events:{x}", "y", "z", "0", "0-0"]),
    needed("xclaim", &["events:{x}", "y", "z", "0", "0-1"]),
    needed("xdel", &["dead:{x}", "0-1"]),
    needed("xgroup|create", &["events:{x}", "y", "0"]),
    needed("xinfo|groups", &["events:{x}"]),
    needed("xinfo|stream", &["events:{x}"]),
    needed("xlen", &["dead:{x}"]),
    needed("xrange", &["events:{x}", "-", "+"]),
    needed("xread", &["STREAMS", "events:{x}", "0"]),
    needed(
        "xreadgroup",
        &["GROUP", "y", "z", "STREAMS", "events:{x}", ">"],
    ),
    needed("xrevrange", &["events:{x}", "+", "-"]),
    needed("zadd", &["ids:{x}", "0", "y"]),
    needed("zcard", &["mq:{x}"]),
    needed("zrange", &["ids:{x}", "0", "0"]),
    needed("zrangebyscore", &["mq:{x}", "0", "0"]),
    needed("zrem", &["ids:{x}", "y"]),
];

/// The command that says what a server is.
pub(crate) const INFO: NeededCommand = needed("info", &[]);

/// The commands that are needed only of a cluster's nodes.
pub(crate) const CLUSTER: [NeededCommand; 3] = [
    needed("asking", &[]),
    needed("cluster|info", &[]),
    needed("cluster|slots", &[]),
];

/// The command that is needed only where replicas must have what is written.
pub(crate) const WAIT: NeededCommand = needed("wait", &["0", "1"]);

/// The patterns of the keys that the shop reads and writes.
pub(crate) const KEYS: [&str; 13] = [
    "dead:*",
    "entities:*",
    "events:*",
    "fence:*",
    "forward:*",
    "forwarded:*",
    "ids:*",
    "index:*",
    "lease:*",
    "mq:*",
    "position:*",
    "reservations:*",
    "versions:*",
];

/// The pattern of the channels on which it is told how far the read model is.
pub(crate) const CHANNELS: &str = "applied:*";

/// The right that is needed only to compare the server's durability with one that was asked for.
pub(crate) const CONFIG_RIGHT: &str = "config|get";

/// The only setting of `maxmemory-policy` that loses nothing.
pub(crate) const POLICY: &str = "noeviction";

/// The access rules of a user that may do exactly what the shop needs, for `ACL SETUSER`.
#[must_use]
pub fn access_rules() -> String {
    let keys = KEYS.map(|pattern| format!("~{pattern}"));
    let commands = TRANSACTION.iter().chain(&COMMANDS);
    let mut commands: Vec<String> = commands.map(|one| format!("+{}", one.rule)).collect();
    commands.sort_unstable();
    format!(
        "resetkeys {} resetchannels &{CHANNELS} -@all {}",
        keys.join(" "),
        commands.join(" ")
    )
}

/// Why a server can't carry the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server asks for a password, or refuses the one that was shown.
    Password(&'static str),
    /// It can't be spoken with over TLS.
    Tls(String),
    /// It refuses the connection for another reason.
    Refused(String),
    /// It is a node of a cluster, and the address is not that of one.
    Cluster,
    /// Commands that it doesn't know.
    Commands(Vec<&'static str>),
    /// Commands and keys that the user may not use.
    Rights {
        /// The user.
        user: String,
        /// The missing access rules.
        rules: Vec<String>,
    },
    /// It is less durable than was asked for.
    Durability {
        /// What was asked for.
        asked: Durability,
        /// What is in force.
        found: &'static str,
    },
    /// Its durability can't be read, and one was asked for.
    UnknownDurability {
        /// What was asked for.
        asked: Durability,
        /// The user.
        user: String,
    },
    /// It evicts keys when it is full.
    Evicts(String),
    /// A backup is being put back, or was until that was interrupted.
    HalfRestored,
    /// Its shop has another number of partitions.
    Partitions(Partitions),
    /// It has fewer replicas than must have each write.
    Replicas {
        /// How many were asked for.
        asked: u32,
        /// How many are connected and in step.
        found: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(what) => write!(
                f,
                "{what}: write the address as redis://user:password@host:port, best in REDIS_URL, which no list of processes shows"
            ),
            Self::Tls(reason) => write!(
                f,
                "TLS (rediss://): {reason}; --redis-ca names who signed its certificate, --redis-cert and --redis-key the certificate that it asks for"
            ),
            Self::Refused(reason) => f.write_str(reason),
            Self::Cluster => f.write_str(
                "it is a node of a Redis cluster, which holds a part of the keys only: write redis+cluster://host:port to use the whole cluster, or name a single Redis or Valkey (cluster-enabled no)",
            ),
            Self::Commands(names) => write!(
                f,
                "it doesn't know {}: it must be Redis 7.0 or newer, or Valkey, and its configuration must not rename these commands away",
                names.join(", ").to_uppercase().replace('|', " ")
            ),
            Self::Rights { user, rules } => write!(
                f,
                "its user {user:?} may not do all that is needed; allow it with: ACL SETUSER {user} {}",
                rules.join(" ")
            ),
            Self::Durability { asked, found } => write!(
                f,
                "its durability is {found}, and {} was asked for (--durability). Its configuration needs the lines{}",
                asked.name(),
                Lines(*asked)
            ),
            Self::UnknownDurability { asked, user } => write!(
                f,
                "{} was asked for (--durability), and whether it is so can't be read: allow it with ACL SETUSER {user} +{CONFIG_RIGHT}, or leave --durability out. Its configuration needs the lines{}",
                asked.name(),
                Lines(*asked)
            ),
            Self::Replicas { asked, found } => write!(
                f,
                "its replicas that are connected and in step are {found} (INFO replication), and {asked} must have each write (--replicas-ack): start as many, or ask for fewer"
            ),
            Self::Partitions(kept) => write!(
                f,
                "its shop has {kept} partitions a topic, which was chosen when it was made: start every process with --partitions {kept}, or name an empty Redis for a shop of another number"
            ),
            Self::HalfRestored => f.write_str(
                "a backup is being restored to it, or its restoration was interrupted: run ordershop restore again with the same file, or empty it",
            ),
            Self::Evicts(policy) => write!(
                f,
                "it evicts keys when it is full (maxmemory-policy {policy}), and every key is data. Its configuration needs the line\n      maxmemory-policy {POLICY}"
            ),
        }
    }
}

/// The configuration lines of a durability, and how to bring a server to them.
struct Lines(Durability);

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.0.settings() {
            write!(f, "\n      {name} {value}")?;
        }
        f.write_str(
            "\n    Set them while it runs (CONFIG SET, then CONFIG REWRITE): started anew with them alone, it would begin with an empty append-only file.",
        )
    }
}

/// A server that can't carry the shop, with all reasons.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the Redis at {url} can't be used:{}", list(.faults))]
pub struct Unfit {
    /// Its address.
    pub url: RedisUrl,
    /// The reasons, at least one.
    pub faults: Vec<Fault>,
}

fn list(faults: &[Fault]) -> String {
    let lines = faults.iter().map(|fault| format!("\n  - {fault}"));
    lines.collect()
}
