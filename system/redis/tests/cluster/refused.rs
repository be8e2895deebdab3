//! What can't be used is told in words; what may come is waited for.

use ordershop_redis::connection::RedisLink;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::replicas::ReplicasAsked;
use ordershop_redis::requirements::{Asked, access_rules};

use crate::cluster_server::RedisCluster;
use crate::redis_server::{ForeignRedis, free_port};

async fn refused(url: &str, asked: Asked) -> String {
    let link = RedisLink::new(url).unwrap();
    match info::check(&link, asked).await {
        Err(CheckError::Unfit(unfit)) => unfit.to_string(),
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_master_is_looked_at_and_what_is_wrong_is_told_once() {
    let cluster = RedisCluster::start(false, &["--maxmemory-policy", "allkeys-lru"]).await;
    let replicas = ReplicasAsked {
        ack: 1,
        ack_timeout_ms: 100,
    };
    let asked = Asked {
        replicas,
        ..Asked::default()
    };

    let said = refused(&cluster.url(), asked).await;

    assert_eq!(said.matches("allkeys-lru").count(), 1, "{said}");
    assert_eq!(said.matches("--replicas-ack").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_needs_three_more_rights_in_a_cluster() {
    let cluster = RedisCluster::start(false, &[]).await;
    let rules = access_rules();
    let rules: Vec<&str> = rules.split(' ').collect();
    let user = [&["ACL", "SETUSER", "shop", "on", ">pw"][..], &rules].concat();
    cluster.tell_each(&user).await;
    let url = cluster.url_of("shop", "pw");

    let said = refused(&url, Asked::default()).await;

    let more = "+asking +cluster|info +cluster|slots";
    assert!(said.contains(&format!("ACL SETUSER shop {more}")), "{said}");
    let user = ["ACL", "SETUSER", "shop"]
        .into_iter()
        .chain(more.split(' '));
    cluster.tell_each(&user.collect::<Vec<_>>()).await;
    let link = RedisLink::new(&url).unwrap();
    info::check(&link, Asked::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_and_a_cluster_with_open_slots_are_refused_and_one_that_is_away_is_waited_for()
 {
    let (port, open, bus) = (free_port(), free_port(), free_port());
    let _plain = ForeignRedis::start(&["--port", &port.to_string()]).await;
    let (open_port, bus_port) = (open.to_string(), bus.to_string());
    let cluster = ["--port", &open_port, "--cluster-enabled", "yes"];
    let cluster = [&cluster[..], &["--cluster-port", &bus_port]].concat();
    let part = ForeignRedis::start(&cluster).await;
    part.tell(&["CLUSTER", "ADDSLOTSRANGE", "0", "99"]).await;
    for (port, what) in [(port, "write redis://"), (open, "100 of 16384 slots")] {
        let url = format!("redis+cluster://127.0.0.1:{port}");
        let said = refused(&url, Asked::default()).await;
        assert!(said.contains(what), "{said}");
    }
    let said = refused(&part.url(), Asked::default()).await;
    assert!(said.contains("redis+cluster://"), "{said}");
    let away = format!("redis+cluster://127.0.0.1:{}", free_port());
    let link = RedisLink::new(&away).unwrap();
    match info::check(&link, Asked::default()).await {
        Err(CheckError::Away(why)) => assert!(why.contains("refused"), "{why}"),
        other => panic!("{other:?}"),
    }
}
