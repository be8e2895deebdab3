//! Clients that violate the contract: they get a clear status, and their messages are delivered again.

use ordershop_contract::message_queue::MessageQueue;
use ordershop_grpc::peer::PeerChannel;
use ordershop_grpc::proto::ordershop as proto;
use proto::consume_request::{Exchange, Finish, Open, Request};
use proto::message_queue_client::MessageQueueClient;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::stage::*;

fn open(function: &str, batch_max: u32) -> Request {
    Request::Open(Open {
        queue: Some(proto::QueueName {
            service: "test-service".into(),
            function: function.into(),
        }),
        batch_max,
    })
}

fn replies(count: usize, json: &str) -> Vec<proto::Answer> {
    let answer = Some(proto::answer::Answer::Reply(json.into()));
    vec![proto::Answer { answer }; count]
}

fn exchange(answers: Vec<proto::Answer>) -> Request {
    Request::Exchange(Exchange { answers })
}

/// Sends requests, each after the batch before it if there is one, and reads until the stream ends with a status.
async fn status_of(mut client: MessageQueueClient<PeerChannel>, requests: Vec<Request>) -> Status {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let mut requests = requests.into_iter().map(|request| proto::ConsumeRequest {
        request: Some(request),
    });
    sender.send(requests.next().unwrap()).await.unwrap();
    let ended = async {
        let mut batches = client
            .consume(ReceiverStream::new(receiver))
            .await?
            .into_inner();
        for request in requests {
            let is_exchange = matches!(request.request, Some(Request::Exchange(_)));
            sender.send(request).await.unwrap();
            if is_exchange {
                batches.message().await?;
            }
        }
        while batches.message().await?.is_some() {}
        Ok(())
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    ended.unwrap_err()
}

#[tokio::test]
async fn what_breaks_the_contract_of_a_worker_has_a_clear_status_and_loses_nothing() {
    let stage = Stage::new().await;
    drop(stage.worker(1).await);
    stage.client.send(numbered(3)).await.unwrap();
    let client = MessageQueueClient::new(stage.address.channel());
    let finish = |answers| Request::Finish(Finish { answers });
    let echo = || open("echo", 10);
    for (requests, code) in [
        (vec![exchange(vec![])], Code::FailedPrecondition),
        (vec![open("No Name", 1)], Code::InvalidArgument),
        (vec![open("echo", 0)], Code::InvalidArgument),
        (vec![echo(), echo()], Code::FailedPrecondition),
        (
            vec![echo(), exchange(replies(1, "1"))],
            Code::FailedPrecondition,
        ),
        (
            vec![echo(), exchange(vec![]), exchange(replies(2, "1"))],
            Code::FailedPrecondition,
        ),
        (
            vec![echo(), exchange(vec![]), exchange(replies(3, "no"))],
            Code::InvalidArgument,
        ),
        (
            vec![echo(), exchange(vec![]), finish(vec![])],
            Code::FailedPrecondition,
        ),
    ] {
        let said = format!("{requests:?}");
        let status = status_of(client.clone(), requests).await;
        assert_eq!(status.code(), code, "{said}: {status:?}");
        stage.until_depth(3).await;
    }

    let mut worker = stage.worker(10).await;
    assert_eq!(take_all(&mut worker, 3).await, ["m-0", "m-1", "m-2"]);
}

#[tokio::test]
async fn malformed_calls_and_messages_are_refused_and_nothing_is_sent() {
    let stage = Stage::new().await;
    drop(stage.worker(1).await);
    let mut client = MessageQueueClient::new(stage.address.channel());
    let message = |function: &str, payload: &str| proto::Message {
        to: Some(proto::QueueName {
            service: "test-service".into(),
            function: function.into(),
        }),
        message_id: "m".into(),
        payload: payload.into(),
        correlation: None,
    };
    for (bad, code) in [
        (message("echo", "no JSON"), Code::InvalidArgument),
        (message("Echo!", "1"), Code::InvalidArgument),
        (message("ehco", "1"), Code::NotFound),
        (
            proto::Message {
                to: None,
                ..message("echo", "1")
            },
            Code::InvalidArgument,
        ),
        (
            proto::Message {
                message_id: String::new(),
                ..message("echo", "1")
            },
            Code::InvalidArgument,
        ),
    ] {
        let call = proto::Call {
            number: 9,
            message: Some(bad.clone()),
            timeout_ms: 1_000,
            made_at_ms: 0,
        };
        let calls = tokio_stream::iter([proto::Calls { calls: vec![call] }]);
        let mut answers = client.call(calls).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().answers.remove(0);
        let messages = vec![message("echo", "1"), bad];
        let refused = client
            .send(proto::SendRequest { messages })
            .await
            .unwrap_err();

        assert_eq!(answer.number, 9);
        let Some(proto::call_answer::Answer::Error(error)) = answer.answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.kind(), proto::queue_error::Kind::Invalid);
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    assert_eq!(stage.status().await.depth, 0);
}
