//! Publishing, subscribing without a group, and reading whole topics.

use ordershop_contract::event_store::EventStore as _;
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_original::proto::eventstore::{GetRequest, PublishRequest, UnsubscribeRequest};
use tonic::Code;

use crate::server::*;

fn unsubscribe(topic: &str) -> UnsubscribeRequest {
    UnsubscribeRequest {
        event_topic: topic.into(),
    }
}

async fn get(client: &mut Events) -> String {
    let request = GetRequest {
        event_topic: "order".into(),
    };
    client.get(request).await.unwrap().into_inner().events
}

#[tokio::test]
async fn who_subscribes_without_a_group_is_told_of_what_comes_after() {
    let server = Server::start().await;
    let mut client = server.events().await;
    publish(&mut client, "before").await;
    let mut stream = subscribe(&mut client, "").await;
    let mut other = subscribe(&mut server.events().await, "").await;

    publish(&mut client, "after").await;
    let told = next(&mut stream).await.unwrap();

    assert_eq!(told.event_id, "after");
    assert_eq!(told.event_action, "tested");
    assert_eq!(told.event_data, r#"{"entity_id":"o","n":[1,2]}"#);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    assert!((now.as_secs_f64() - told.event_ts).abs() < 60.0);
    assert_eq!(ids(&mut other, 1).await, ["after"]);
}

#[tokio::test]
async fn data_that_are_sent_as_a_string_are_an_object_in_the_store_and_a_string_for_clients() {
    let server = Server::start().await;
    let mut client = server.events().await;
    let mut stream = subscribe(&mut client, "").await;
    let data = r#"{"entity_id": "o", "name": "\u00e4 \"x\""}"#;
    let info = serde_json::json!({"event_id": "e", "event_action": "tested", "event_data": data});
    let request = PublishRequest {
        event_topic: "order".into(),
        event_info: info.to_string(),
    };

    client.publish(request).await.unwrap();
    let told = next(&mut stream).await.unwrap();
    let all: Vec<(String, serde_json::Value)> =
        serde_json::from_str(&get(&mut client).await).unwrap();
    let stored = server
        .store
        .read(Topic::Order.into(), Position::START, 10)
        .await
        .unwrap();

    assert_eq!(told.event_data, data);
    assert_eq!(all[0].1["event_data"], data);
    assert_eq!(stored[0].data.get(), data);
    assert_eq!(stored[0].entity_id, "o");
}

#[tokio::test]
async fn unsubscribing_ends_this_connections_streams_of_the_topic_alone() {
    let server = Server::start().await;
    let (mut client, mut other) = (server.events().await, server.events().await);
    let mut first = subscribe(&mut client, "").await;
    let mut second = subscribe(&mut client, "").await;
    let mut others = subscribe(&mut other, "").await;

    let wrong_topic = client.unsubscribe(unsubscribe("cart")).await.unwrap();
    let ended = client.unsubscribe(unsubscribe("order")).await.unwrap();
    let again = client.unsubscribe(unsubscribe("order")).await.unwrap();
    publish(&mut client, "later").await;

    assert!(!wrong_topic.into_inner().success);
    assert!(ended.into_inner().success);
    assert!(!again.into_inner().success);
    assert_eq!(next(&mut first).await, None);
    assert_eq!(next(&mut second).await, None);
    assert_eq!(ids(&mut others, 1).await, ["later"]);
}

#[tokio::test]
async fn an_event_id_is_published_once_a_topic() {
    let server = Server::start().await;
    let mut client = server.events().await;
    publish(&mut client, "e").await;
    let repeat = |topic: &str| PublishRequest {
        event_topic: topic.into(),
        event_info: r#"{"event_id":"e","event_action":"other","event_data":{}}"#.into(),
    };

    let refused = client.publish(repeat("order")).await.unwrap_err();
    client.publish(repeat("cart")).await.unwrap();

    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("\"e\""));
    assert!(!get(&mut client).await.contains("other"));
}

#[tokio::test]
async fn a_whole_topic_is_an_array_in_order_and_nothing_where_there_is_no_event() {
    let server = Server::start().await;
    let mut client = server.events().await;
    assert_eq!(get(&mut client).await, "");
    let mut entries = Vec::new();
    for n in 0..600 {
        entries.push(publish(&mut client, &format!("e{n}")).await);
    }

    let events: Vec<(String, serde_json::Value)> =
        serde_json::from_str(&get(&mut client).await).unwrap();

    let (positions, infos): (Vec<String>, Vec<serde_json::Value>) = events.into_iter().unzip();
    assert_eq!(positions, entries);
    let expected = serde_json::json!({
        "event_id": "e599", "event_action": "tested", "event_data": r#"{"entity_id":"o","n":[1,2]}"#,
    });
    assert_eq!(infos[599], expected);
}

#[tokio::test]
async fn a_topic_that_fits_no_message_is_refused_whole() {
    let server = Server::start().await;
    let mut client = server.events().await;
    for n in 0..3 {
        let data = "x".repeat(30 * 1024 * 1024);
        let request = PublishRequest {
            event_topic: "order".into(),
            event_info: format!(
                r#"{{"event_id":"{n}","event_action":"a","event_data":{{"x":"{data}"}}}}"#
            ),
        };
        client.publish(request).await.unwrap();
    }

    let request = GetRequest {
        event_topic: "order".into(),
    };
    let refused = client.get(request).await.unwrap_err();

    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("subscribe with a group"));
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_in_order() {
    let server = Server::start().await;
    let mut client = server.events().await;
    let mut alone = subscribe(&mut client, "").await;
    let mut grouped = subscribe(&mut client, "g").await;
    publish(&mut client, "e").await;
    let told = (ids(&mut alone, 1).await, ids(&mut grouped, 1).await);

    server.drain.cancel();

    assert_eq!(told, (vec!["e".to_owned()], vec!["e".to_owned()]));
    assert_eq!(next(&mut alone).await, None);
    assert_eq!(next(&mut grouped).await, None);
    let stopped = tokio::time::timeout(PATIENCE, server.serving).await;
    stopped.expect("the server stops").unwrap().unwrap();
}
