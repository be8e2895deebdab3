//! Addresses of sentinels: each new connection leads to the master that they name, and what can't be used is told in words.

use ordershop_contract::event_store::ExpectedVersion;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::replicas::ReplicasAsked;
use ordershop_redis::requirements::Asked;

use crate::pair::{eventually, store_at};
use crate::redis_server::{ForeignRedis, free_port};
use crate::sentinel_server::Sentinel;
use crate::stage::append_one;

async fn checked(url: &str) -> Result<(), CheckError> {
    let link = RedisLink::new(url).unwrap();
    info::check(&link, Asked::default()).await.map(drop)
}

#[tokio::test]
async fn a_master_is_found_by_any_sentinel_that_answers() {
    let port = free_port();
    let master = ForeignRedis::start(&["--port", &port.to_string()]).await;
    let sentinel = Sentinel::start(port);
    eventually("the sentinel sees the master", async || {
        sentinel.told("flags").await.as_deref() == Some("master")
    })
    .await;
    let place = sentinel.url().split_off("redis+sentinel://".len());
    let url = format!("redis+sentinel://127.0.0.1:{},{place}?db=1", free_port());
    checked(&url).await.unwrap();

    let store = store_at(&url, ReplicasAsked::default());
    append_one(&*store, "e0", "a", ExpectedVersion::NoStream).await;

    let kept = master.tell(&["INFO", "keyspace"]).await;
    assert!(kept.contains("db1:") && !kept.contains("db0:"), "{kept}");
}

#[tokio::test]
async fn sentinels_that_cannot_be_used_are_refused_and_those_that_are_away_are_waited_for() {
    let port = free_port();
    let _master = ForeignRedis::start(&["--port", &port.to_string()]).await;
    let sentinel = Sentinel::start(port);
    eventually("the sentinel answers", async || {
        sentinel.told("flags").await.is_some()
    })
    .await;
    let unknown = sentinel.url().replace("/shop", "/other");
    let no_sentinel = format!("redis+sentinel://127.0.0.1:{port}/shop");
    for (url, what) in [
        (unknown, "no master of this name"),
        (no_sentinel, "no sentinel"),
    ] {
        match checked(&url).await {
            Err(CheckError::Unfit(unfit)) => {
                let said = unfit.to_string();
                assert!(said.contains(what), "{said}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    let away = format!("redis+sentinel://127.0.0.1:{}/shop", free_port());
    match checked(&away).await {
        Err(CheckError::Away(why)) => assert!(why.contains("no sentinel answers"), "{why}"),
        other => panic!("{other:?}"),
    }
}
