//! Consumer groups: which events are delivered, and which again.

use std::time::{Duration, Instant};

use ordershop_original::proto::eventstore::UnsubscribeRequest;

use crate::server::*;

#[tokio::test]
async fn a_group_is_told_of_everything_once_and_from_the_topics_start() {
    let server = Server::start().await;
    let mut client = server.events().await;
    publish(&mut client, "e0").await;
    let mut stream = subscribe(&mut client, "g").await;
    publish(&mut client, "e1").await;

    let told = ids(&mut stream, 2).await;

    assert_eq!(told, ["e0", "e1"]);
    until("all is acknowledged", async || {
        server.backlog("g").await == (0, 0)
    })
    .await;
    // Acknowledged events are not delivered again.
    drop((stream, client));
    let mut client = server.events().await;
    let mut stream = subscribe(&mut client, "g").await;
    publish(&mut client, "e2").await;
    assert_eq!(ids(&mut stream, 1).await, ["e2"]);
}

#[tokio::test]
async fn what_a_client_was_told_just_before_it_was_gone_is_told_again() {
    let server = Server::start().await;
    let mut publisher = server.events().await;
    let mut client = server.events().await;
    let mut stream = subscribe(&mut client, "g").await;
    for id in ["e0", "e1"] {
        publish(&mut publisher, id).await;
    }
    let first = ids(&mut stream, 2).await;

    drop((stream, client));
    let mut stream = subscribe(&mut server.events().await, "g").await;
    let again = ids(&mut stream, 2).await;

    assert_eq!(first, ["e0", "e1"]);
    assert_eq!(again, ["e0", "e1"]);
}

#[tokio::test]
async fn who_unsubscribed_has_handled_what_it_was_told() {
    let server = Server::start().await;
    let mut client = server.events().await;
    let mut stream = subscribe(&mut client, "g").await;
    publish(&mut client, "e0").await;
    let told = ids(&mut stream, 1).await;

    let request = UnsubscribeRequest {
        event_topic: "order".into(),
    };
    let ended = client.unsubscribe(request).await.unwrap().into_inner();
    let backlog = server.backlog("g").await;

    assert_eq!(told, ["e0"]);
    assert!(ended.success);
    assert_eq!(backlog, (0, 0), "(pending, not delivered)");
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn what_is_new_does_not_wait_for_the_acknowledgement_of_what_was_told() {
    let server = Server::start().await;
    let mut client = server.events().await;
    let mut stream = subscribe(&mut client, "g").await;
    let mut slowest = Duration::ZERO;

    for n in 0..100 {
        let began = Instant::now();
        publish(&mut client, &format!("e{n}")).await;
        assert_eq!(ids(&mut stream, 1).await, [format!("e{n}")]);
        // The first subscription waits for the group's lease.
        if n > 0 {
            slowest = slowest.max(began.elapsed());
        }
    }

    assert!(slowest < Duration::from_millis(700), "{slowest:?}");
}

#[tokio::test]
async fn each_event_goes_to_one_member_and_another_takes_over() {
    let server = Server::start().await;
    let (mut client, mut second_client) = (server.events().await, server.events().await);
    let mut first = subscribe(&mut client, "g").await;
    publish(&mut client, "e0").await;
    ids(&mut first, 1).await;
    let mut second = subscribe(&mut second_client, "g").await;
    for id in ["e1", "e2"] {
        publish(&mut client, id).await;
    }
    assert_eq!(ids(&mut first, 2).await, ["e1", "e2"]);
    until("all is acknowledged", async || {
        server.backlog("g").await == (0, 0)
    })
    .await;

    publish(&mut client, "e3").await;
    assert_eq!(ids(&mut first, 1).await, ["e3"]);
    until("that too", async || server.backlog("g").await == (0, 0)).await;
    drop((first, client));
    publish(&mut second_client, "e4").await;

    assert_eq!(ids(&mut second, 1).await, ["e4"]);
}

#[tokio::test]
async fn a_backlog_of_many_batches_is_told_without_a_pause_between_them() {
    let server = Server::start().await;
    let mut client = server.events().await;
    let count = 2_000;
    for n in 0..count {
        publish(&mut client, &format!("e{n}")).await;
    }
    let mut stream = subscribe(&mut client, "g").await;
    ids(&mut stream, 1).await;

    let began = Instant::now();
    let told = ids(&mut stream, count - 1).await;
    let took = began.elapsed();

    let expected: Vec<String> = (1..count).map(|n| format!("e{n}")).collect();
    assert_eq!(told, expected);
    // Eight batches; if each waited for the acknowledgement of the one before, it would take as many seconds.
    assert!(took < Duration::from_secs(4), "{took:?}");
    until("all is acknowledged", async || {
        server.backlog("g").await == (0, 0)
    })
    .await;
}
