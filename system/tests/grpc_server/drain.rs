//! A server that is told to stop answers the requests under way and accepts no new ones.

use std::time::Duration;

use ordershop_contract::correlation::Correlation;
use ordershop_contract::event_store::{
    Appended, EventStore, ExpectedVersion, NewEvent, Transaction,
};
use ordershop_contract::partition::Partitions;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_grpc::event_store::client::GrpcEventStore;
use ordershop_grpc::peer::{PeerConfig, connect};
use ordershop_redis::durability::Durability;
use ordershop_redis::server::RedisServer;

use crate::program::{Program, signal, until};

fn created() -> Transaction {
    let id = || "an-order".to_owned();
    let event = NewEvent {
        event_id: id().into(),
        entity_id: id().into(),
        action: "entity_created".into(),
        data: serde_json::value::to_raw_value(&serde_json::json!({})).unwrap(),
        expected: ExpectedVersion::NoStream,
        correlation: Correlation {
            correlation_id: id(),
            causation_id: id(),
            times: None,
        },
    };
    Transaction::of(Topic::Order, vec![event])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_under_way_is_answered_and_who_comes_later_refused() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(dir.path(), Durability::None)
        .await
        .unwrap();
    let args = ["--listen", "127.0.0.1:0", "--redis-url", redis.url()];
    let mut server = Program::start(&[&["event-store"], &args[..]].concat());
    let url = server.url().await;
    let address = url.trim_start_matches("http://").to_owned();
    let peer = PeerConfig { url, token: None };
    let store = GrpcEventStore::start(connect(&peer).unwrap(), Partitions::ONE);
    // After this the stream is open and the topic has its writer.
    store.last_position(Topic::Order.into()).await.unwrap();
    let mut warm = created();
    warm.events[0].entity_id = "another".into();
    warm.events[0].event_id = "another".into();
    store.append(vec![warm]).await.unwrap();

    signal(redis.pid().unwrap(), "-STOP");
    let mut under_way = {
        let store = store.clone();
        tokio::spawn(async move { store.append(vec![created()]).await })
    };
    // The test can't see when the request reaches the server, so it waits this long.
    let answered = tokio::time::timeout(Duration::from_millis(300), &mut under_way).await;
    assert!(answered.is_err(), "answered while Redis is stopped");
    signal(server.pid(), "-TERM");
    until("the refusal", || {
        std::net::TcpStream::connect(&address)
            .is_err()
            .then_some(())
    })
    .await;
    assert!(!under_way.is_finished(), "given up");
    signal(redis.pid().unwrap(), "-CONT");
    let answer = under_way.await.unwrap().unwrap();
    assert!(
        matches!(answer[..], [Appended::Committed { position }] if position > Position::START),
        "{answer:?}"
    );
    assert!(server.ended().await.success(), "{}", server.log());
    store.close().await;
    redis.stop().await;
}
