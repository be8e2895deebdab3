//! Clients that violate the contract: they get a clear status, and no other client is affected.

use ordershop_contract::position::Position;
use ordershop_grpc::peer::PeerChannel;
use ordershop_grpc::proto::ordershop as proto;
use ordershop_redis::event_store::EventStoreConfig;
use proto::event_store_client::EventStoreClient;
use proto::subscription_request::{Acknowledge, DeadLetter, Next, Open, Request};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::served::Address;
use crate::stage::*;

fn open(topic: &str) -> Request {
    Request::Open(Open {
        group: "test-service".into(),
        topic: topic.into(),
        consumer: "rude".into(),
        batch_max: 10,
    })
}

fn acknowledge(position: Position) -> Request {
    Request::Acknowledge(Acknowledge {
        positions: vec![proto::Position {
            ms: position.ms,
            seq: position.seq,
        }],
    })
}

/// Sends requests, and reads until the stream ends with a status.
async fn status_of(mut client: EventStoreClient<PeerChannel>, requests: Vec<Request>) -> Status {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    for request in requests {
        let request = Some(request);
        sender
            .send(proto::SubscriptionRequest { request })
            .await
            .unwrap();
    }
    let ended = async {
        let mut batches = client
            .subscribe(ReceiverStream::new(receiver))
            .await?
            .into_inner();
        while batches.message().await?.is_some() {}
        Ok(())
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    drop(sender);
    ended.unwrap_err()
}

#[tokio::test]
async fn what_breaks_the_contract_of_a_subscription_has_a_clear_status_and_gives_the_place_up() {
    let stage = Stage::new().await;
    let store = stage.store_at(Address::tcp(), EventStoreConfig::default());
    append_many(&*store, 3).await;
    let client = EventStoreClient::new(store.address.channel());
    let stranger = Position { ms: 7, seq: 7 };
    let dead_letter = Request::DeadLetter(DeadLetter {
        position: None,
        reason: "none of it".into(),
    });
    for (requests, code) in [
        (
            vec![Request::Next(Next::default())],
            Code::FailedPrecondition,
        ),
        (vec![open("pets")], Code::NotFound),
        (vec![open("order"), open("order")], Code::FailedPrecondition),
        (
            vec![open("order"), acknowledge(stranger)],
            Code::FailedPrecondition,
        ),
        (
            vec![
                open("order"),
                Request::Next(Next::default()),
                acknowledge(stranger),
            ],
            Code::FailedPrecondition,
        ),
        (
            vec![
                open("order"),
                Request::Next(Next::default()),
                Request::Next(Next::default()),
                Request::Next(Next::default()),
            ],
            Code::FailedPrecondition,
        ),
        (vec![open("order"), dead_letter], Code::FailedPrecondition),
    ] {
        let said = format!("{requests:?}");
        let status = status_of(client.clone(), requests).await;
        assert_eq!(status.code(), code, "{said}: {status:?}");
    }

    let mut subscription = subscribe(&*store, "polite", 10).await;
    assert_eq!(drain(&mut subscription, 3).await, ids(0..3));
}

#[tokio::test]
async fn a_malformed_append_is_refused_and_those_beside_it_are_written() {
    let stage = Stage::new().await;
    let store = stage.store();
    let mut client = EventStoreClient::new(store.address.channel());
    let request = |number: u64, topic: &str, data: &str| proto::AppendRequest {
        number,
        transactions: vec![proto::Transaction {
            topic: topic.into(),
            events: vec![proto::NewEvent {
                event_id: format!("e{number}"),
                action: "entity_created".into(),
                aggregate_id: format!("a{number}"),
                expected: Some(proto::new_event::Expected::NoStream(true)),
                data: data.into(),
                correlation: None,
            }],
            claims: vec![],
            causes: String::new(),
        }],
    };
    let requests = vec![
        request(1, "order", "{}"),
        request(2, "order", "no JSON"),
        request(3, "order", "[]"),
        request(4, "pets", "{}"),
    ];

    let sent = tokio_stream::iter([proto::AppendRequests { requests }]);
    let mut stream = client.append(sent).await.unwrap().into_inner();
    let mut answers = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        answers.extend(message.answers);
    }

    answers.sort_by_key(|answer| answer.number);
    let kinds = answers
        .into_iter()
        .map(|answer| match answer.answer.unwrap() {
            proto::append_answer::Answer::Appended(_) => None,
            proto::append_answer::Answer::Error(error) => Some(error.kind()),
        });
    let invalid = Some(proto::store_error::Kind::Invalid);
    assert_eq!(kinds.collect::<Vec<_>>(), [None, invalid, invalid, invalid]);
    assert_eq!(all_events(&*store).await.len(), 1);
}
