//! Every command and every right in the list is checked, and named where it is missing.

use std::collections::BTreeSet;
use std::path::Path;

use ordershop_redis::connection::RedisLink;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::requirements::{Asked, Fault, access_rules};

use crate::redis_server::{ForeignRedis, free_port};

/// The faults of a server; none if it can carry the shop.
async fn faults(url: &str) -> Vec<Fault> {
    let link = RedisLink::new(url).unwrap();
    match info::check(&link, Asked::default()).await {
        Ok(_) => Vec::new(),
        Err(CheckError::Unfit(unfit)) => unfit.faults,
        Err(CheckError::Away(reason)) => panic!("away: {reason}"),
    }
}

async fn set_user(redis: &ForeignRedis, rules: &str) {
    let words = ["ACL", "SETUSER", "shop", "reset", "on", ">pw"];
    let words: Vec<&str> = words.into_iter().chain(rules.split(' ')).collect();
    redis.tell(&words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_one_of_the_rights_is_refused_and_the_right_is_named() {
    let redis = ForeignRedis::start(&[]).await;
    let url = redis.url_of("shop", "pw");
    let all = access_rules();
    set_user(&redis, &all).await;
    assert_eq!(faults(&url).await, []);
    let rules = all
        .split(' ')
        .filter(|rule| rule.starts_with(['+', '~', '&']));
    for missing in rules {
        let others: Vec<&str> = all.split(' ').filter(|rule| *rule != missing).collect();
        set_user(&redis, &others.join(" ")).await;
        let user = "shop".to_owned();
        let found = faults(&url).await;
        // Without transactions nothing else can be asked for; without INFO nothing was asked for yet.
        assert_eq!(
            found,
            [Fault::Rights {
                user,
                rules: vec![missing.to_owned()]
            }]
        );
    }
    assert_eq!(
        redis.tell(&["DBSIZE"]).await,
        "int(0)",
        "something was written"
    );
}

/// The names of the commands in a source: those that are sent, and those of scripts.
fn commands_in(source: &str) -> impl Iterator<Item = String> {
    let sent = source.split("cmd(\"").skip(1);
    let called = source.split("call('").skip(1);
    sent.chain(called).map(|rest| {
        let name = rest.split(['"', '\'']).next().unwrap_or_default();
        name.to_ascii_lowercase()
    })
}

#[test]
fn every_command_in_the_sources_is_in_the_list() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("src"), here.join("../read_model/src")];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The first two speak only with a Redis of our own, and the third with none; who archives and restores has more rights than a shop.
            let others = [
                "server.rs",
                "guard.rs",
                "sentinel.rs",
                "event_store/archiving.rs",
                "event_store/restoring.rs",
            ];
            let own = others
                .iter()
                .any(|other| path.ends_with(Path::new("src").join(other)));
            if path.is_dir() {
                folders.push(path);
            } else if !own {
                names.extend(commands_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(names.len() > 30, "{names:?}");
    let rules = access_rules();
    // Whoever connects may say who it is. The durability is unknown without the right to read it; the others are needed only where replicas
    // are asked for, or of a cluster.
    let free = ["auth", "config", "wait", "asking", "cluster"];
    let listed = |name: &String| {
        let of = |rule: &str| {
            rule.strip_prefix('+')
                .is_some_and(|rule| rule.split('|').next() == Some(name))
        };
        free.contains(&&**name) || rules.split(' ').any(of)
    };
    names.retain(|name| !listed(name));
    assert!(names.is_empty(), "not in the list: {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lacks_commands_is_refused_and_they_are_named() {
    for names in [&["XAUTOCLAIM"][..], &["BLMPOP", "MULTI"], &["WATCH"]] {
        let renamed: Vec<&str> = names
            .iter()
            .flat_map(|name| ["--rename-command", name, ""])
            .collect();
        let redis = ForeignRedis::start(&renamed).await;
        let found = faults(&redis.url()).await;
        let [fault @ Fault::Commands(_)] = &found[..] else {
            panic!("{names:?}: {found:?}");
        };
        let said = fault.to_string();
        assert!(
            said.contains(names[names.len() - 1]) && said.contains("7.0"),
            "{said}"
        );
    }
    // What isn't needed isn't asked for.
    let redis = ForeignRedis::start(&[
        "--rename-command",
        "COPY",
        "",
        "--rename-command",
        "FLUSHALL",
        "",
    ])
    .await;
    assert_eq!(faults(&redis.url()).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_missing_or_wrong_is_told() {
    let redis = ForeignRedis::start(&["--requirepass", "hunter2"]).await;
    for (url, fragment) in [
        (redis.url(), "asks for a password"),
        (redis.url_of("default", "hunter3"), "refuses the password"),
    ] {
        let found = faults(&url).await;
        let said = found[0].to_string();
        assert!(
            said.contains(fragment) && said.contains("REDIS_URL"),
            "{said}"
        );
        assert!(!said.contains("hunter"), "{said}");
    }
    assert_eq!(faults(&redis.url_of("default", "hunter2")).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_is_refused_as_a_cluster() {
    let (port, bus) = (free_port().to_string(), free_port().to_string());
    let redis = ForeignRedis::start(&[
        "--port",
        &port,
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
    ])
    .await;
    let found = faults(&redis.url()).await;
    assert_eq!(found, [Fault::Cluster]);
    assert!(found[0].to_string().contains("cluster"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_and_a_redis_that_is_away_are_waited_for() {
    let port = free_port().to_string();
    let redis = ForeignRedis::start(&["--replicaof", "127.0.0.1", &port]).await;
    let reason = async |url: &str| {
        let link = RedisLink::new(url).unwrap();
        match info::check(&link, Asked::default()).await {
            Err(CheckError::Away(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    let said = reason(&redis.url()).await;
    assert!(said.contains("replica"), "{said}");
    reason(&format!("redis://127.0.0.1:{port}")).await;
}
