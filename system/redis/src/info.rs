//! What a Redis server says of itself: product, version, durability, and whether it can carry the shop. Nothing here changes a server.

use std::time::Duration;

use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::partition::Partitions;
use redis::aio::ConnectionLike;
use redis::{RedisError, RedisResult, Value};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{MultiplexedConnection, RedisLink};
use crate::durability::Durability;
use crate::partitions;
use crate::refusal;
use crate::requirements::{
    Asked, CHANNELS, CLUSTER, COMMANDS, Fault, KEYS, NeededCommand, POLICY, TRANSACTION, Unfit,
    WAIT,
};
use crate::restoration_mark;

/// Interval between reads: the server may be replaced, or its durability changed, while the system runs.
const ASK_MS: u64 = 5_000;
/// Interval between looks whether a shared connection leads to a replica.
const REPLICA_MS: u64 = 1_000;
/// The interval while the server doesn't answer.
const ASK_AGAIN_MS: u64 = 100;
/// A server that doesn't answer within this counts as away.
const ANSWER_MS_MAX: u64 = 5_000;

/// Why a server was not found fit.
#[derive(Debug)]
pub enum CheckError {
    /// It is away, or not ready yet: it may be asked again.
    Away(String),
    /// It answers, and can't carry the shop.
    Unfit(Unfit),
}

/// How much of its data a server that is starting has loaded, in whole percent; `None` if it isn't loading.
///
/// # Errors
/// The server can't be reached.
pub async fn loaded_percent(
    connection: &mut impl ConnectionLike,
) -> redis::RedisResult<Option<u8>> {
    let info: String = redis::cmd("INFO")
        .arg("persistence")
        .query_async(connection)
        .await?;
    let percent = field(&info, "loading_loaded_perc").and_then(|text| text.parse::<f64>().ok());
    Ok(percent.map(|percent| percent.clamp(0.0, 100.0) as u8))
}

/// Checks a server against the list of what is needed, and against what was asked for besides. Writes nothing.
///
/// # Errors
/// The server is away, or can't carry the shop.
pub async fn check(link: &RedisLink, asked: Asked) -> Result<ServerInfo, CheckError> {
    let checking = async {
        let looked = match look_at_each(link).await {
            Ok(looked) => looked,
            Err(error) => return Err(refused(link, &error).await),
        };
        let mut faults: Vec<Fault> = Vec::new();
        let mut all = Vec::new();
        for (mut connection, seen) in looked {
            if seen.cluster && !link.is_cluster() {
                return Err(unfit(link, vec![Fault::Cluster]));
            }
            if let Some(reason) = seen.not_ready {
                return Err(CheckError::Away(reason.to_owned()));
            }
            let half_restored = restoration_mark::unfinished(&mut connection).await;
            let mut its_faults = missing(&mut connection, link, asked)
                .await
                .map_err(|error| CheckError::Away(refusal::words(&error)))?;
            its_faults.extend(seen.less_than(asked.durability, link.user()));
            its_faults.extend(seen.too_few_replicas(asked));
            let policy = seen.policy.clone().filter(|policy| policy != POLICY);
            its_faults.extend(policy.map(Fault::Evicts));
            if let Ok(Some(_)) = half_restored {
                its_faults.push(Fault::HalfRestored);
            }
            // What is wrong with all nodes of a cluster is told once.
            its_faults.retain(|fault| !faults.contains(fault));
            faults.append(&mut its_faults);
            all.push(seen);
        }
        let there = partitions::there(&mut link.shared()).await;
        if matches!(there, Ok(Some(_))) {
            // A shop's replicas were there when it was made, so they come back: it starts without them as it goes on without them.
            faults.retain(|fault| !matches!(fault, Fault::Replicas { .. }));
        }
        match least_durable(all) {
            Some(seen) if faults.is_empty() => {
                fits(link, asked, there)?;
                Ok(seen.info)
            }
            _ => Err(unfit(link, faults)),
        }
    };
    match tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), checking).await {
        Ok(result) => result,
        Err(_) => Err(CheckError::Away(format!(
            "no answer within {ANSWER_MS_MAX} ms"
        ))),
    }
}

/// Whether the shop that is there, if one is, has as many partitions as were asked for.
fn fits(
    link: &RedisLink,
    asked: Asked,
    there: RedisResult<Option<Partitions>>,
) -> Result<(), CheckError> {
    match there {
        Ok(Some(there)) if there != asked.partitions => {
            Err(unfit(link, vec![Fault::Partitions(there)]))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(CheckError::Away(refusal::words(&error))),
    }
}

fn unfit(link: &RedisLink, faults: Vec<Fault>) -> CheckError {
    CheckError::Unfit(Unfit {
        url: link.url().clone(),
        faults,
    })
}

/// What an error before the first answer means.
async fn refused(link: &RedisLink, error: &RedisError) -> CheckError {
    let fault = match refusal::fault(error, link.user()) {
        None if link.is_tls_to_plain().await => {
            Some(Fault::Tls("it speaks no TLS, redis:// does".to_owned()))
        }
        fault => fault,
    };
    match fault {
        Some(fault) => unfit(link, vec![fault]),
        None => CheckError::Away(refusal::words(error)),
    }
}

/// What is known of a server while the system runs.
pub struct ServerWatch {
    /// What it says of itself.
    pub info: watch::Receiver<ServerInfo>,
    /// Tells of a server that was away at first and, when it came, could not carry the shop.
    pub unfit: oneshot::Receiver<Unfit>,
}

/// Reads what the server says of itself, again and again, so that `/health` can show it whenever it comes up. `first` is what the check at
/// the start found; without it the server was away, and is checked as soon as it answers.
pub fn watch(
    stop: &CancellationToken,
    tasks: &TaskTracker,
    link: RedisLink,
    asked: Asked,
    first: Option<ServerInfo>,
) -> ServerWatch {
    let mut fit = first.is_some();
    let (sender, info) = watch::channel(first.unwrap_or_default());
    let (refuse, refused) = oneshot::channel();
    let (stop, shared) = (stop.clone(), link.clone());
    let watching = async move {
        // A server that was away may be another one: it is checked again.
        let (mut checked, mut told) = (fit, false);
        // Whether the shop there is known to have as many partitions as this process was started for.
        let mut chosen = false;
        loop {
            let answer = if checked {
                // Replicas come and go.
                look_once(&link).await.and_then(|seen| {
                    let fault = seen.too_few_replicas(asked);
                    fault.map_or(Ok(seen.info), |fault| Err(unfit(&link, vec![fault])))
                })
            } else {
                check(&link, asked).await
            };
            let answer = match answer {
                Ok(info) if !chosen => {
                    let made = partitions::choose(&mut link.shared(), asked.partitions).await;
                    match fits(&link, asked, made.map(Some)) {
                        Ok(()) => {
                            chosen = true;
                            Ok(info)
                        }
                        Err(CheckError::Unfit(unfit)) => {
                            let _ = refuse.send(unfit);
                            return;
                        }
                        Err(away) => Err(away),
                    }
                }
                answer => answer,
            };
            let pause_ms = match answer {
                Ok(info) => {
                    (fit, checked, told) = (true, true, false);
                    show(&sender, info);
                    ASK_MS
                }
                Err(CheckError::Unfit(unfit)) if fit => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!("{unfit}");
                    }
                    if let Ok(seen) = look_once(&link).await {
                        show(&sender, seen.info);
                    }
                    ASK_MS
                }
                Err(CheckError::Unfit(unfit)) => {
                    // Whoever started the system ends it.
                    let _ = refuse.send(unfit);
                    return;
                }
                Err(CheckError::Away(reason)) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(reason, "Redis can't be reached; trying again");
                    }
                    (checked, chosen) = (false, false);
                    ASK_AGAIN_MS
                }
            };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    };
    let replicas = async move {
        let mut before = false;
        loop {
            tokio::time::sleep(Duration::from_millis(REPLICA_MS)).await;
            let now = shared.leave_replicas().await;
            if now && !before {
                tracing::warn!(
                    "Redis has become a replica: the connections are opened anew, to find the new master"
                );
            }
            before = now;
        }
    };
    let both = async { tokio::join!(watching, replicas) };
    tasks.spawn(stop.run_until_cancelled_owned(both));
    ServerWatch {
        info,
        unfit: refused,
    }
}

fn show(sender: &watch::Sender<ServerInfo>, info: ServerInfo) {
    sender.send_if_modified(|before| {
        let changed = *before != info;
        *before = info;
        changed
    });
}

async fn look_once(link: &RedisLink) -> Result<Seen, CheckError> {
    let looking = look_at_each(link);
    match tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), looking).await {
        Ok(Ok(looked)) => {
            let all: Vec<Seen> = looked.into_iter().map(|(_, seen)| seen).collect();
            if let Some(reason) = all.iter().find_map(|seen| seen.not_ready) {
                return Err(CheckError::Away(reason.to_owned()));
            }
            let fewest = all.iter().map(|seen| seen.replicas).min();
            let seen = least_durable(all);
            let seen = seen.ok_or_else(|| CheckError::Away("it has no master".to_owned()))?;
            Ok(Seen {
                replicas: fewest.unwrap_or_default(),
                ..seen
            })
        }
        Ok(Err(error)) => Err(CheckError::Away(refusal::words(&error))),
        Err(_) => Err(CheckError::Away(format!(
            "no answer within {ANSWER_MS_MAX} ms"
        ))),
    }
}

/// Looks at each server that has keys, over a connection that is also returned.
async fn look_at_each(link: &RedisLink) -> redis::RedisResult<Vec<(MultiplexedConnection, Seen)>> {
    let mut looked = Vec::new();
    for mut connection in link.dedicated_to_each().await? {
        let seen = look(&mut connection).await?;
        looked.push((connection, seen));
    }
    Ok(looked)
}

/// Of a cluster's masters, one of those that keep the least; what can't be known keeps nothing.
fn least_durable(all: Vec<Seen>) -> Option<Seen> {
    all.into_iter().min_by_key(|seen| seen.level)
}

/// What `INFO` and `CONFIG` show.
struct Seen {
    info: ServerInfo,
    /// The level of the durability; `None` if it can't be read.
    level: Option<Durability>,
    durability: &'static str,
    /// What it does when it is full.
    policy: Option<String>,
    /// Replicas that are connected and in step.
    replicas: u32,
    cluster: bool,
    /// Why it can't be used now.
    not_ready: Option<&'static str>,
}

impl Seen {
    fn less_than(&self, asked: Option<Durability>, user: &str) -> Option<Fault> {
        let asked = asked?;
        match self.level {
            Some(level) if level >= asked => None,
            Some(_) => Some(Fault::Durability {
                asked,
                found: self.durability,
            }),
            None if asked == Durability::None => None,
            None => Some(Fault::UnknownDurability {
                asked,
                user: user.to_owned(),
            }),
        }
    }

    fn too_few_replicas(&self, asked: Asked) -> Option<Fault> {
        let too_few = self.replicas < asked.replicas.ack;
        too_few.then_some(Fault::Replicas {
            asked: asked.replicas.ack,
            found: self.replicas,
        })
    }
}

/// The value of a field in the text of `INFO`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

async fn look(connection: &mut MultiplexedConnection) -> redis::RedisResult<Seen> {
    let info: String = redis::cmd("INFO").query_async(connection).await?;
    let field = |name: &str| field(&info, name);
    let (level, durability) = match field("aof_enabled") {
        Some("0") => (Some(Durability::None), "none"),
        Some("1") => synced(connection).await,
        _ => (None, "unknown"),
    };
    let not_ready = if field("loading") == Some("1") {
        Some("it is loading its data; it answers when that is done")
    } else if field("role") == Some("slave") {
        Some("it is a replica, which takes no writes; the address must lead to the master")
    } else {
        None
    };
    let valkey = field("valkey_version");
    Ok(Seen {
        info: ServerInfo {
            server: if valkey.is_some() { "valkey" } else { "redis" }.to_owned(),
            version: valkey
                .or_else(|| field("redis_version"))
                .unwrap_or("unknown")
                .to_owned(),
            durability: durability.to_owned(),
        },
        level,
        durability,
        policy: field("maxmemory_policy").map(str::to_owned),
        replicas: replicas_in_step(&info),
        cluster: field("cluster_enabled") == Some("1"),
        not_ready,
    })
}

/// The number of replicas that have all data: `slave0:ip=…,port=…,state=online,offset=…,lag=…`.
fn replicas_in_step(info: &str) -> u32 {
    let online = info.lines().filter(|line| line.contains(",state=online,"));
    online.fold(0, |count, _| count + 1)
}

/// How often the append-only file is synced; `INFO` doesn't say it.
async fn synced(connection: &mut MultiplexedConnection) -> (Option<Durability>, &'static str) {
    let answer: redis::RedisResult<Vec<String>> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("appendfsync")
        .query_async(connection)
        .await;
    let value = answer.ok().and_then(|mut pair| pair.pop());
    match value.as_deref() {
        Some("always") => (Some(Durability::Always), "always"),
        Some("everysec") => (Some(Durability::Everysec), "everysec"),
        Some("no") => (Some(Durability::None), "aof without sync"),
        _ => (None, "unknown"),
    }
}

/// Finds the commands and keys that are missing. Redis looks at name and rights of a command before it queues it, so that each one is put
/// into a transaction that is never carried out: the connection is dropped.
async fn missing(
    connection: &mut MultiplexedConnection,
    link: &RedisLink,
    asked: Asked,
) -> redis::RedisResult<Vec<Fault>> {
    let mut unknown = Vec::new();
    let mut rules = Vec::new();
    let mut no_channel = false;
    let mut sort_out = |needed: &NeededCommand, answer: &Value| match refusal::of_probe(answer) {
        Some(refusal::Probe::Unknown) => unknown.push(needed.rule),
        Some(refusal::Probe::Command) => rules.push(format!("+{}", needed.rule)),
        Some(refusal::Probe::Channel) => no_channel = true,
        // Keys are tried by themselves.
        Some(refusal::Probe::Key) | None => {}
    };
    let mut in_transaction = false;
    for needed in &TRANSACTION {
        let mut probe = redis::pipe();
        probe.add_command(command(needed));
        let answers = connection.send_packed_commands(&probe, 0, 1).await?;
        let answer = answers.first().unwrap_or(&Value::Nil);
        in_transaction = needed.rule == "multi" && *answer == Value::Okay;
        sort_out(needed, answer);
    }
    if in_transaction {
        let mut probes = redis::pipe();
        let wait = (asked.replicas.ack > 0).then_some(&WAIT);
        let cluster = CLUSTER.iter().filter(|_| link.is_cluster());
        let commands: Vec<&NeededCommand> = COMMANDS.iter().chain(wait).chain(cluster).collect();
        for needed in &commands {
            probes.add_command(command(needed));
        }
        let answers = connection
            .send_packed_commands(&probes, 0, commands.len())
            .await?;
        for (needed, answer) in commands.iter().zip(&answers) {
            sort_out(needed, answer);
        }
        // Of all commands this one needs the most of a key.
        let mut probes = redis::pipe();
        for pattern in KEYS {
            let key = pattern.replace('*', "{x}");
            let probe = probes.cmd("BLMOVE").arg(&key).arg(&key);
            probe.arg("LEFT").arg("RIGHT").arg(1);
        }
        let answers = connection
            .send_packed_commands(&probes, 0, KEYS.len())
            .await?;
        for (pattern, answer) in KEYS.iter().zip(&answers) {
            if refusal::of_probe(answer) == Some(refusal::Probe::Key) {
                rules.push(format!("~{pattern}"));
            }
        }
    }
    if no_channel {
        rules.push(format!("&{CHANNELS}"));
    }
    let mut faults = Vec::new();
    if !unknown.is_empty() {
        faults.push(Fault::Commands(unknown));
    }
    if !rules.is_empty() {
        faults.push(Fault::Rights {
            user: link.user().to_owned(),
            rules,
        });
    }
    Ok(faults)
}

fn command(needed: &NeededCommand) -> redis::Cmd {
    let mut cmd = redis::Cmd::new();
    for word in needed
        .rule
        .split('|')
        .chain(needed.arguments.iter().copied())
    {
        cmd.arg(word);
    }
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Server\r\nrun_id_old:x\r\nrun_id:abc\r\n";
        assert_eq!(field(info, "run_id"), Some("abc"));
        assert_eq!(field(info, "run"), None);
    }
}
