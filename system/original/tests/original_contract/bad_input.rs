//! Refused requests: their status codes, and that they have no effect.

use ordershop_grpc::message_size::MESSAGE_BYTES_MAX;
use ordershop_original::proto::eventstore::{
    GetRequest, PublishRequest, SubscribeRequest, UnsubscribeRequest,
};
use tonic::Code;

use crate::server::*;

#[tokio::test]
async fn an_unknown_topic_is_named_and_those_that_exist_are_too() {
    let server = Server::start().await;
    let mut client = server.events().await;
    for topic in ["", "orders", "Order", "x".repeat(100_000).as_str()] {
        let event_topic = topic.to_owned();
        let publish = PublishRequest {
            event_topic: event_topic.clone(),
            event_info: "{}".into(),
        };
        let subscribe = SubscribeRequest {
            event_topic: event_topic.clone(),
            group_name: String::new(),
        };
        let refusals = [
            client.publish(publish).await.unwrap_err(),
            client.subscribe(subscribe).await.unwrap_err(),
            client
                .unsubscribe(UnsubscribeRequest {
                    event_topic: event_topic.clone(),
                })
                .await
                .unwrap_err(),
            client.get(GetRequest { event_topic }).await.unwrap_err(),
        ];
        for refused in refusals {
            assert_eq!(refused.code(), Code::NotFound);
            assert!(
                refused.message().contains("use one of customer"),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_not_written() {
    let server = Server::start().await;
    let mut client = server.events().await;
    for event_info in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"event_id":"e","event_action":"a","event_data":[]}"#,
        r#"{"event_id":"e","event_action":"a","event_data":"[]"}"#,
        r#"{"event_id":"e","event_action":"a","event_data":"text"}"#,
    ] {
        let request = PublishRequest {
            event_topic: "order".into(),
            event_info: event_info.into(),
        };
        let refused = client.publish(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{event_info}");
        assert!(refused.message().contains("event_info"), "{refused}");
    }
    let all = client
        .get(GetRequest {
            event_topic: "order".into(),
        })
        .await;
    assert_eq!(all.unwrap().into_inner().events, "");
}

#[tokio::test]
async fn what_can_name_no_group_is_refused() {
    let server = Server::start().await;
    let mut client = server.events().await;
    for group in ["a b", "{x}", "ä", "x".repeat(65).as_str()] {
        let request = SubscribeRequest {
            event_topic: "order".into(),
            group_name: group.into(),
        };
        let refused = client.subscribe(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{group}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    let payload = format!("\"{}\"", "x".repeat(MESSAGE_BYTES_MAX));

    let refused = client.send_msg(message("m", &payload)).await.unwrap_err();

    assert_eq!(refused.code(), Code::OutOfRange);
    client.send_msg(message("m", "1")).await.unwrap();
}

#[tokio::test]
async fn a_function_that_nobody_ever_served_is_not_found() {
    let server = Server::start().await;
    let mut client = server.messages().await;

    let unknown = client.send_msg(message("m", "1")).await.unwrap_err();
    introduce(&mut client).await;

    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().contains("test-service.echo"));
    client.send_msg(message("m", "1")).await.unwrap();
}

#[tokio::test]
async fn a_payload_that_is_no_json_is_refused_whoever_sends_it() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    for payload in ["", "{", "text", "1 2"] {
        let sent = client.send_msg(message("m", payload)).await.unwrap_err();
        assert_eq!(sent.code(), Code::InvalidArgument, "{payload}");
        let answered = client.send_rsp(message("m", payload)).await.unwrap_err();
        assert_eq!(answered.code(), Code::InvalidArgument, "{payload}");
    }
    let nothing = client.get_msg(get("")).await.unwrap().into_inner();
    assert_eq!(nothing.msg_id, "");
}

#[tokio::test]
async fn absurd_times_and_names_are_refused() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    for timeout in [-1, 3_601, i32::MIN, i32::MAX] {
        let messages = client.recv_msg(receive("", timeout)).await.unwrap_err();
        let responses = client.recv_rsp(receive("m", timeout)).await.unwrap_err();
        assert_eq!(messages.code(), Code::InvalidArgument);
        assert_eq!(responses.code(), Code::InvalidArgument);
    }
    for name in ["", "a.b", "Ä", "x".repeat(200).as_str()] {
        let mut request = get("");
        request.func_name = name.into();
        let refused = client.get_msg(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}");
    }
    let bad_id = client.send_rsp(message("a b", "1")).await.unwrap_err();
    let no_id = client.ack_msg(ack("")).await.unwrap_err();
    assert_eq!(bad_id.code(), Code::InvalidArgument);
    assert_eq!(no_id.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn nothing_is_known_of_a_request_that_was_not_sent_here() {
    let server = Server::start().await;
    let mut client = server.messages().await;

    let response = client.recv_rsp(receive("m", 20)).await.unwrap_err();
    let acknowledged = client.ack_rsp(ack("m")).await.unwrap().into_inner();
    let message = client.ack_msg(ack("m")).await.unwrap_err();

    assert_eq!(response.code(), Code::NotFound);
    assert!(!acknowledged.success);
    assert_eq!(message.code(), Code::FailedPrecondition);
}
