//! Durability and eviction of a foreign Redis are read, never set.

use ordershop_redis::connection::RedisLink;
use ordershop_redis::durability::Durability;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::requirements::Asked;

use crate::redis_server::ForeignRedis;

/// What is said of a server: its durability, or why it is refused.
async fn said_of(url: &str, durability: Option<Durability>) -> Result<String, String> {
    let link = RedisLink::new(url).unwrap();
    let asked = Asked {
        durability,
        ..Asked::default()
    };
    match info::check(&link, asked).await {
        Ok(info) => Ok(info.durability),
        Err(CheckError::Unfit(unfit)) => Err(unfit.to_string()),
        Err(CheckError::Away(reason)) => panic!("away: {reason}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durability_is_shown_and_refused_where_less_is_kept_than_was_asked_for() {
    let rows = [
        (["no", "everysec"], "none", Durability::None),
        (["yes", "no"], "aof without sync", Durability::None),
        (["yes", "everysec"], "everysec", Durability::Everysec),
        (["yes", "always"], "always", Durability::Always),
    ];
    for ([append_only, sync], name, level) in rows {
        let redis =
            ForeignRedis::start(&["--appendonly", append_only, "--appendfsync", sync]).await;
        assert_eq!(said_of(&redis.url(), None).await.unwrap(), name);
        for asked in [Durability::None, Durability::Everysec, Durability::Always] {
            let said = said_of(&redis.url(), Some(asked)).await;
            assert_eq!(said.is_ok(), asked <= level, "{name}, {asked:?}: {said:?}");
            if let Err(said) = said {
                let lines = [
                    "appendonly yes".to_owned(),
                    format!("appendfsync {}", asked.name()),
                ];
                let shown = |line: &String| said.lines().any(|shown| shown.trim() == line);
                assert!(lines.iter().all(shown), "{said}");
            }
        }
        assert_eq!(redis.setting("appendonly").await, append_only);
        assert_eq!(redis.setting("appendfsync").await, sync);
        assert_eq!(redis.tell(&["DBSIZE"]).await, "int(0)");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durability_that_cannot_be_read_is_unknown_and_refused_only_if_one_was_asked_for() {
    let redis = ForeignRedis::start(&["--appendonly", "yes"]).await;
    redis
        .tell(&[
            "ACL", "SETUSER", "shop", "on", ">pw", "~*", "&*", "+@all", "-config",
        ])
        .await;
    let url = redis.url_of("shop", "pw");
    assert_eq!(said_of(&url, None).await.unwrap(), "unknown");
    assert_eq!(
        said_of(&url, Some(Durability::None)).await.unwrap(),
        "unknown"
    );
    let said = said_of(&url, Some(Durability::Always)).await.unwrap_err();
    assert!(said.contains("ACL SETUSER shop +config|get"), "{said}");
    assert!(said.contains("appendfsync always"), "{said}");
    // Without an append-only file nothing more need be known.
    redis.tell(&["CONFIG", "SET", "appendonly", "no"]).await;
    assert_eq!(said_of(&url, None).await.unwrap(), "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_evicts_keys_is_refused_with_the_line_that_it_needs() {
    let redis = ForeignRedis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let said = said_of(&redis.url(), None).await.unwrap_err();
    assert!(said.contains("allkeys-lru"), "{said}");
    assert!(
        said.lines()
            .any(|line| line.trim() == "maxmemory-policy noeviction"),
        "{said}"
    );
    assert_eq!(redis.setting("maxmemory-policy").await, "allkeys-lru");
    redis
        .tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    said_of(&redis.url(), None).await.unwrap();
}
