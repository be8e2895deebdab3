//! Receiving requests, responding and acknowledging: which connection holds a request, and when it is delivered again.

use std::time::{Duration, Instant};

use ordershop_original::MessageLimits;
use tonic::Code;

use crate::server::*;

/// Returns a server, a client that has sent `m`, and a service that has received it.
async fn delivered(limits: MessageLimits) -> (Server, Messages, Messages) {
    let server = Server::with_limits(limits).await;
    let (mut client, mut service) = (server.messages().await, server.messages().await);
    introduce(&mut service).await;
    client.send_msg(message("m", "1")).await.unwrap();
    assert_eq!(received(&mut service).await, ("m".into(), "1".into()));
    (server, client, service)
}

#[tokio::test]
async fn an_acknowledgement_may_come_before_the_response() {
    let (server, mut client, mut service) = delivered(MessageLimits::default()).await;

    let acknowledged = service.ack_msg(ack("m")).await.unwrap().into_inner();
    let repeat = service.ack_msg(ack("m")).await.unwrap_err();
    let none_yet = client.get_rsp(get("m")).await.unwrap().into_inner();
    service.send_rsp(message("m", "2")).await.unwrap();

    assert!(acknowledged.success);
    assert_eq!(repeat.code(), Code::FailedPrecondition);
    assert_eq!(none_yet.payload, "");
    assert_eq!(response(&mut client, "m").await, "2");
    drop(server);
}

#[tokio::test]
async fn a_response_goes_out_once_and_with_the_acknowledgement() {
    let (_server, mut client, mut service) = delivered(MessageLimits::default()).await;

    service.send_rsp(message("m", "2")).await.unwrap();
    let twice = service.send_rsp(message("m", "3")).await.unwrap_err();
    let none_yet = client.get_rsp(get("m")).await.unwrap().into_inner();
    service.ack_msg(ack("m")).await.unwrap();
    let late = service.send_rsp(message("m", "4")).await.unwrap_err();
    let ack_again = service.ack_msg(ack("m")).await.unwrap_err();

    assert_eq!(twice.code(), Code::AlreadyExists);
    assert_eq!(none_yet.payload, "");
    assert_eq!(response(&mut client, "m").await, "2");
    assert_eq!(late.code(), Code::FailedPrecondition);
    assert_eq!(ack_again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_message_belongs_to_the_connection_that_received_it() {
    let (server, mut client, mut service) = delivered(MessageLimits::default()).await;
    let mut other = server.messages().await;

    let foreign_ack = other.ack_msg(ack("m")).await.unwrap_err();
    let foreign_response = other.send_rsp(message("m", "9")).await.unwrap_err();
    let nothing = other.get_msg(get("")).await.unwrap().into_inner();
    service.send_rsp(message("m", "2")).await.unwrap();
    service.ack_msg(ack("m")).await.unwrap();

    assert_eq!(foreign_ack.code(), Code::FailedPrecondition);
    assert!(foreign_ack.message().contains("belong to this connection"));
    assert_eq!(foreign_response.code(), Code::FailedPrecondition);
    assert_eq!(nothing.msg_id, "");
    assert_eq!(response(&mut client, "m").await, "2");
}

#[tokio::test]
async fn what_a_client_had_not_acknowledged_when_it_was_gone_is_delivered_again_at_once() {
    let (server, mut client, mut service) = delivered(MessageLimits::default()).await;
    service.send_rsp(message("m", "0")).await.unwrap();
    let mut other = server.messages().await;
    let waiting = tokio::spawn(async move { (received(&mut other).await, other) });

    let gone = Instant::now();
    drop(service);
    let (again, mut other) = waiting.await.unwrap();

    assert_eq!(again, ("m".into(), "1".into()));
    assert!(
        gone.elapsed() < Duration::from_secs(5),
        "{:?}",
        gone.elapsed()
    );
    other.ack_msg(ack("m")).await.unwrap();
    other.send_rsp(message("m", "2")).await.unwrap();
    assert_eq!(response(&mut client, "m").await, "2");
}

#[tokio::test]
async fn the_sender_hears_of_a_service_that_acknowledged_and_was_gone() {
    let (server, mut client, mut service) = delivered(MessageLimits::default()).await;
    service.ack_msg(ack("m")).await.unwrap();

    drop(service);
    let error = response(&mut client, "m").await;

    assert!(
        error.starts_with(r#"{"error":"#) && error.contains("connection"),
        "{error}"
    );
    let mut other = server.messages().await;
    let nothing = other.recv_msg(receive("", 1)).await.unwrap().into_inner();
    assert_eq!(nothing.msg_id, "");
}

#[tokio::test]
async fn a_deadline_gives_a_message_to_others_and_takes_it_from_its_holder() {
    let limits = MessageLimits {
        deadline_ms: 300,
        ..MessageLimits::default()
    };
    let (server, mut client, mut service) = delivered(limits).await;
    let mut other = server.messages().await;

    assert_eq!(received(&mut other).await.0, "m");
    let late = service.ack_msg(ack("m")).await.unwrap_err();
    other.send_rsp(message("m", "2")).await.unwrap();
    other.ack_msg(ack("m")).await.unwrap();

    assert_eq!(late.code(), Code::FailedPrecondition);
    assert_eq!(response(&mut client, "m").await, "2");
}

#[tokio::test]
async fn a_receive_that_gave_up_takes_no_message() {
    let server = Server::start().await;
    let (mut client, mut service) = (server.messages().await, server.messages().await);
    let nothing = service.recv_msg(receive("", 1)).await.unwrap().into_inner();
    assert_eq!(nothing.msg_id, "");
    // A receive that the client itself cancels.
    let cancelled = service.recv_msg(receive("", 3_600));
    let gave_up = tokio::time::timeout(Duration::from_millis(100), cancelled).await;
    assert!(gave_up.is_err());

    for n in 0..20 {
        let id = format!("m{n}");
        client.send_msg(message(&id, "1")).await.unwrap();
        let began = Instant::now();
        assert_eq!(received(&mut service).await.0, id);
        assert!(began.elapsed() < Duration::from_secs(5));
        service.send_rsp(message(&id, "2")).await.unwrap();
        service.ack_msg(ack(&id)).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_is_not_kept_from_others_by_a_client_that_waits_no_more() {
    let server = Server::start().await;
    let mut service = server.messages().await;
    service.recv_msg(receive("", 1)).await.unwrap();
    let mut client = server.messages().await;
    client.send_msg(message("m", "1")).await.unwrap();

    // No client receives here any more; a worker elsewhere must get the message.
    use ordershop_contract::message_queue::{MessageQueue as _, QueueName};
    let queue = QueueName::named(SERVICE, FUNCTION).unwrap();
    let mut worker = server.queue.consume(queue, 1).await.unwrap();
    let taken = tokio::time::timeout(PATIENCE, worker.exchange(Vec::new())).await;

    assert_eq!(taken.unwrap().unwrap()[0].message_id, "m");
}

#[tokio::test]
async fn many_messages_may_be_in_hand_and_settled_in_any_order() {
    let server = Server::start().await;
    let (mut client, mut service) = (server.messages().await, server.messages().await);
    introduce(&mut service).await;
    let ids: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
    for id in &ids {
        client.send_msg(message(id, "1")).await.unwrap();
    }
    let mut in_hand = Vec::new();
    for _ in &ids {
        in_hand.push(received(&mut service).await.0);
    }

    for id in in_hand.iter().rev() {
        service.ack_msg(ack(id)).await.unwrap();
        service
            .send_rsp(message(id, &format!("\"{id}\"")))
            .await
            .unwrap();
    }

    in_hand.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(in_hand, expected);
    for id in &ids {
        assert_eq!(response(&mut client, id).await, format!("\"{id}\""));
    }
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_is_settled_by_its_acknowledgement() {
    use ordershop_contract::message_queue::{MessageQueue as _, OutgoingMessage, QueueName};
    let server = Server::start().await;
    let mut service = server.messages().await;
    let queue = QueueName::named(SERVICE, FUNCTION).unwrap();
    let payload = serde_json::value::RawValue::from_string("1".into()).unwrap();
    let forgotten = OutgoingMessage {
        to: queue,
        message_id: "m".into(),
        payload,
        correlation: ordershop_contract::correlation::Correlation {
            correlation_id: "c".into(),
            causation_id: "k".into(),
            times: None,
        },
    };
    server.queue.send(vec![forgotten]).await.unwrap();

    assert_eq!(received(&mut service).await.0, "m");
    service.ack_msg(ack("m")).await.unwrap();
    let response = service.send_rsp(message("m", "2")).await;
    let once_more = service.send_rsp(message("m", "2")).await;

    assert!(response.is_ok());
    assert_eq!(once_more.unwrap_err().code(), Code::FailedPrecondition);
}
