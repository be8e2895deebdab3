//! Sending requests and getting their responses.

use ordershop_original::MessageLimits;
use tonic::Code;

use crate::server::*;

/// Receives one request and answers it.
async fn serve(server: &Server, payload: &str) -> (String, String) {
    let mut service = server.messages().await;
    let (msg_id, request) = received(&mut service).await;
    service.send_rsp(message(&msg_id, payload)).await.unwrap();
    service.ack_msg(ack(&msg_id)).await.unwrap();
    (msg_id, request)
}

#[tokio::test]
async fn a_response_is_shown_until_it_is_acknowledged() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    let sent = client.send_msg(message("", r#"{"params":1}"#)).await;
    let msg_id = sent.unwrap().into_inner().msg_id;
    let early = client.get_rsp(get(&msg_id)).await.unwrap().into_inner();
    let early_ack = client.ack_rsp(ack(&msg_id)).await.unwrap().into_inner();

    let served = serve(&server, r#"{"result":2}"#).await;
    let first = response(&mut client, &msg_id).await;
    let again = client.get_rsp(get(&msg_id)).await.unwrap().into_inner();
    let elsewhere = response(&mut server.messages().await, &msg_id).await;
    let done = client.ack_rsp(ack(&msg_id)).await.unwrap().into_inner();
    let repeat = client.ack_rsp(ack(&msg_id)).await.unwrap().into_inner();
    let gone = client.get_rsp(get(&msg_id)).await.unwrap_err();

    assert_eq!(served, (msg_id.clone(), r#"{"params":1}"#.to_owned()));
    assert_eq!((early.payload.as_str(), early_ack.success), ("", false));
    assert_eq!(first, r#"{"result":2}"#);
    assert_eq!((again.payload, again.msg_id), (first.clone(), msg_id));
    assert_eq!(elsewhere, first);
    assert_eq!((done.success, repeat.success), (true, false));
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn who_waits_for_a_response_in_vain_gets_nothing_in_time() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    client.send_msg(message("m", "1")).await.unwrap();

    let began = std::time::Instant::now();
    let nothing = client.recv_rsp(receive("m", 1)).await.unwrap().into_inner();

    assert_eq!(
        (nothing.payload.as_str(), nothing.msg_id.as_str()),
        ("", "")
    );
    assert!(began.elapsed().as_secs_f64() >= 1.0);
}

#[tokio::test]
async fn a_message_id_is_sent_once_until_its_response_is_acknowledged() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    client.send_msg(message("m", "1")).await.unwrap();

    let refused = client.send_msg(message("m", "1")).await.unwrap_err();
    serve(&server, "2").await;
    response(&mut client, "m").await;
    client.ack_rsp(ack("m")).await.unwrap();
    let nothing_more = client.get_msg(get("")).await.unwrap().into_inner();
    let afterwards = client.send_msg(message("m", "3")).await;

    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(nothing_more.msg_id, "");
    assert_eq!(afterwards.unwrap().into_inner().msg_id, "m");
}

#[tokio::test]
async fn a_request_that_nobody_answers_gets_an_error_and_is_forgotten() {
    let server = Server::with_limits(MessageLimits {
        response_ms_max: 50,
        kept_ms: 300,
        ..MessageLimits::default()
    })
    .await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    client.send_msg(message("m", "1")).await.unwrap();

    let error = response(&mut client, "m").await;

    assert!(
        error.starts_with(r#"{"error":"test-service.echo gave no answer"#),
        "{error}"
    );
    let forgotten = async || {
        let mut client = client.clone();
        let gone = client.get_rsp(get("m")).await;
        gone.is_err_and(|status| status.code() == Code::NotFound)
    };
    until("the response is forgotten", forgotten).await;
}

#[tokio::test]
async fn waiting_ends_at_once_when_the_server_stops() {
    let server = Server::start().await;
    let mut client = server.messages().await;
    introduce(&mut client).await;
    client.send_msg(message("m", "1")).await.unwrap();
    let mut other = server.messages().await;
    assert_eq!(received(&mut other).await.0, "m");
    let (mut one, mut two) = (client.clone(), client.clone());
    let waiting = tokio::spawn(async move {
        tokio::join!(
            one.recv_rsp(receive("m", 3_600)),
            two.recv_msg(receive("", 3_600))
        )
    });
    // Sent over the same connection: the request before it is under way by now.
    client.get_rsp(get("m")).await.unwrap();

    server.drain.cancel();
    let (response, message) = waiting.await.unwrap();

    assert_eq!(response.unwrap_err().code(), Code::Unavailable);
    assert_eq!(message.unwrap_err().code(), Code::Unavailable);
    tokio::time::timeout(PATIENCE, server.serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    // The request that was received and not settled is back in the queue.
    let queue = ordershop_contract::message_queue::QueueName::named(SERVICE, FUNCTION).unwrap();
    let back = async || {
        use ordershop_contract::message_queue::MessageQueue as _;
        server.queue.status(&[queue]).await.unwrap()[0].depth == 1
    };
    until("the message is back", back).await;
}
