//! Appending, reading and following.

use std::time::{Duration, Instant};

use ordershop_contract::event_store::{
    Appended, Claim, EVENTS_PER_TRANSACTION_MAX, EventStore, EventStoreError, ExpectedVersion,
    RecordedEvent, Transaction,
};
use ordershop_contract::position::Position;
use ordershop_contract::topic::Topic;
use ordershop_redis::event_store::EventStoreConfig;
use ordershop_redis::metrics::TopicLabels;
use prometheus_client::registry::Registry;

use crate::stage::*;
use ExpectedVersion::{Any, Exact, NoStream};

#[tokio::test]
async fn events_are_recorded_as_they_were_appended_with_versions_from_one() {
    let stage = Stage::new().await;
    let store = stage.store();

    let first = append_one(&*store, "e0", "a", NoStream).await;
    let second = append_one(&*store, "e1", "a", Exact(1)).await;
    let third = append_one(&*store, "e2", "a", Any).await;

    let events = all_events(&*store).await;
    let versions: Vec<_> = events.iter().map(|e| e.version).collect();
    assert_eq!(versions, [1, 2, 3]);
    for (event, answer) in events.iter().zip([first, second, third]) {
        let position = event.position;
        assert_eq!(answer, Appended::Committed { position });
        assert_eq!(event.action, "entity_updated");
        assert_eq!(event.entity_id, "a");
        assert_eq!(event.data.get(), r#"{"entity_id":"a"}"#);
        let cause = format!("cause of {}", event.event_id);
        assert_eq!(event.correlation.causation_id, cause);
    }
    assert!(events.is_sorted_by_key(|e| e.published_at_us));
    let last = store.last_position(Topic::Order.into()).await.unwrap();
    assert_eq!(last, events[2].position);
    assert_eq!(
        store.last_position(Topic::Cart.into()).await.unwrap(),
        Position::START
    );
}

#[tokio::test]
async fn an_unexpected_version_is_a_conflict_that_changes_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", NoStream).await;
    let before = all_events(&*store).await;

    for (aggregate, expected, version) in
        [("a", NoStream, 1), ("a", Exact(2), 1), ("b", Exact(1), 0)]
    {
        let answer = append_one(&*store, "e1", aggregate, expected).await;
        let conflict = Appended::Conflict {
            key: aggregate.into(),
            version,
            position: before[0].position,
        };
        assert_eq!(answer, conflict);
    }
    assert_eq!(all_events(&*store).await.len(), 1);
}

#[tokio::test]
async fn a_transaction_across_aggregates_is_written_all_or_none() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", NoStream).await;
    let both = |id: &str, expected| {
        let first = event(&format!("{id}-0"), "b", NoStream);
        transaction(vec![first, event(&format!("{id}-1"), "a", expected)])
    };

    let refused = append(&*store, both("x", NoStream)).await;
    let written = append(&*store, both("y", Exact(1))).await;

    assert!(matches!(refused, Appended::Conflict { key, .. } if key == "a"));
    assert!(is_committed(&written));
    let ids: Vec<_> = all_events(&*store)
        .await
        .into_iter()
        .map(|e| e.event_id)
        .collect();
    assert_eq!(ids, ["e0", "y-0", "y-1"]);
}

#[tokio::test]
async fn a_claim_has_one_holder_until_it_is_released() {
    let stage = Stage::new().await;
    let store = stage.store();
    let with = |id: &str, claim| claiming(vec![event(id, id, NoStream)], vec![claim]);
    let take = || Claim::Take("the billing of a".into());

    let taken = append(&*store, with("e0", take())).await;
    let refused = append(&*store, with("e1", take())).await;
    // Another store knows the claim only from Redis.
    store.close().await;
    let store = stage.store();
    let holders = async || store.claimed(Topic::Order, "the billing of a").await;
    assert_eq!(holders().await.unwrap(), [Topic::Order.into()]);
    let refused_elsewhere = append(&*store, with("e2", take())).await;
    let released = append(
        &*store,
        with("e3", Claim::Release("the billing of a".into())),
    )
    .await;
    assert_eq!(holders().await.unwrap(), []);
    let taken_again = append(&*store, with("e4", take())).await;

    assert!(is_committed(&taken));
    for answer in [refused, refused_elsewhere] {
        assert!(
            matches!(&answer, Appended::Conflict { key, version: 1, .. } if key == "the billing of a"),
            "{answer:?}"
        );
    }
    assert!(is_committed(&released) && is_committed(&taken_again));
    assert_eq!(all_events(&*store).await.len(), 3);
}

#[tokio::test]
async fn what_was_decided_on_a_refused_change_of_the_same_call_is_refused() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", NoStream).await;
    append_one(&*store, "somebody else's", "a", Exact(1)).await;
    let change = |id: &str, version| transaction(vec![event(id, "a", Exact(version))]);

    let call = vec![change("e1", 1), change("e2", 2)];
    let other_call = store.append(vec![change("e3", 2)]);
    let (answers, other) = tokio::join!(store.append(call), other_call);

    let answers = answers.unwrap();
    assert!(!answers.iter().any(is_committed), "{answers:?}");
    assert!(is_committed(&other.unwrap()[0]));
    let events = all_events(&*store).await;
    let ids: Vec<_> = events.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids, ["e0", "somebody else's", "e3"]);
}

#[tokio::test]
async fn who_reads_up_to_a_conflicts_position_sees_what_was_in_the_way() {
    let stage = Stage::new().await;
    let store = stage.store();
    let create = |id: &str| transaction(vec![event(id, "a", NoStream)]);

    let answers = store
        .append(vec![create("e0"), create("e1")])
        .await
        .unwrap();

    let Appended::Conflict { position, .. } = answers[1] else {
        panic!("{answers:?}");
    };
    let seen = store
        .read(Topic::Order.into(), Position::START, 10)
        .await
        .unwrap();
    assert!(
        seen.iter()
            .any(|e| e.event_id == "e0" && e.position <= position)
    );
}

#[tokio::test]
async fn concurrent_appends_share_commits_and_keep_their_order() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "first", "first", NoStream).await;
    let labels = TopicLabels {
        topic: "order".into(),
    };

    let appends = (0..500).map(|n| {
        let store = &store;
        async move { append_one(&**store, &format!("e{n}"), "hot", Any).await }
    });
    let answers = futures_util::future::join_all(appends).await;

    let events = all_events(&*store).await;
    assert_eq!(events.len(), 501);
    assert!(events[1..].iter().map(|e| e.version).eq(1..=500));
    for (event, answer) in events[1..].iter().zip(&answers) {
        let position = event.position;
        assert_eq!(*answer, Appended::Committed { position });
    }
    assert_eq!(stage.metrics.appends.get_or_create(&labels).get(), 501);
    let mut text = String::new();
    let mut registry = Registry::with_prefix("ordershop");
    stage.metrics.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let commits: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("ordershop_append_batch_events_count{topic=\"order\"} "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(commits <= 50, "{commits} commits for 501 events");
}

#[tokio::test]
async fn a_call_of_many_topics_is_answered_in_its_order() {
    let stage = Stage::new().await;
    let store = stage.store();
    let of = |topic, id: &str, expected| Transaction::of(topic, vec![event(id, id, expected)]);

    let answers = store
        .append(vec![
            of(Topic::Order, "a", NoStream),
            of(Topic::Cart, "b", Exact(7)),
            of(Topic::Order, "c", Exact(7)),
            of(Topic::Cart, "d", NoStream),
        ])
        .await
        .unwrap();

    let committed: Vec<_> = answers.iter().map(is_committed).collect();
    assert_eq!(committed, [true, false, false, true]);
    let carts = store
        .read(Topic::Cart.into(), Position::START, 10)
        .await
        .unwrap();
    assert_eq!(carts.len(), 1);
    assert_eq!(carts[0].event_id, "d");
}

#[tokio::test]
async fn a_transaction_of_ten_thousand_events_is_written_and_a_larger_one_refused() {
    let stage = Stage::new().await;
    let store = stage.store();
    let large = |count: usize| {
        let events = (0..count).map(|n| event(&format!("e{n}"), &format!("a{n}"), NoStream));
        transaction(events.collect())
    };

    let answer = append(&*store, large(EVENTS_PER_TRANSACTION_MAX)).await;
    let refused = store
        .append(vec![large(EVENTS_PER_TRANSACTION_MAX + 1)])
        .await;

    assert!(is_committed(&answer));
    assert!(matches!(refused, Err(EventStoreError::Invalid(_))));
    assert_eq!(all_events(&*store).await.len(), EVENTS_PER_TRANSACTION_MAX);
}

#[tokio::test]
async fn malformed_transactions_are_refused_and_change_nothing() {
    let stage = Stage::new().await;
    let store = stage.store();

    for bad in [
        transaction(vec![]),
        transaction(vec![event("e0", "", Any)]),
        transaction(vec![event("e0", "\u{1}a claim", Any)]),
        transaction(vec![event("", "a", Any)]),
        transaction(vec![event("e0", "a", Exact(0))]),
    ] {
        let answer = store.append(vec![bad]).await;
        assert!(
            matches!(answer, Err(EventStoreError::Invalid(_))),
            "{answer:?}"
        );
    }
    assert!(all_events(&*store).await.is_empty());
}

#[tokio::test]
async fn versions_that_the_cache_forgot_are_looked_up() {
    let stage = Stage::new().await;
    let store = stage.store_with(EventStoreConfig {
        cache_entries_max: 20,
        cache_load_max: 0,
        ..EventStoreConfig::default()
    });
    append_many(&*store, 200).await;

    let answers = futures_util::future::join_all((0..200).map(|n| {
        let store = &store;
        async move {
            let id = format!("a{n}");
            let conflict = append_one(&**store, "again", &id, NoStream).await;
            let next = append_one(&**store, "next", &id, Exact(1)).await;
            (conflict, next)
        }
    }))
    .await;

    for (conflict, next) in answers {
        assert!(!is_committed(&conflict) && is_committed(&next));
    }
}

#[tokio::test]
async fn more_than_may_wait_is_refused_as_overload() {
    let stage = Stage::new().await;
    let store = stage.store_with(EventStoreConfig {
        waiting_events_max: 10,
        ..EventStoreConfig::default()
    });
    let call = |id: &str| {
        let events = (0..6).map(|n| event(&format!("{id}-{n}"), &format!("{id}-{n}"), NoStream));
        store.append(vec![transaction(events.collect())])
    };

    let (first, second) = tokio::join!(call("x"), call("y"));

    assert!(first.is_ok());
    assert!(
        matches!(second, Err(EventStoreError::Overloaded(_))),
        "{second:?}"
    );
    assert!(call("z").await.is_ok());
}

#[tokio::test]
async fn a_follower_is_woken_by_the_next_event() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e0", "a", NoStream).await;
    let after = store.last_position(Topic::Order.into()).await.unwrap();
    let none = store
        .follow(Topic::Order.into(), after, 10, Duration::from_millis(5))
        .await
        .unwrap();
    assert!(none.is_empty());

    let following = async {
        let wait_max = Duration::from_secs(10);
        let events = store.follow(Topic::Order.into(), after, 10, wait_max).await;
        (events.unwrap(), Instant::now())
    };
    let appending = async {
        append_one(&*store, "e1", "a", Exact(1)).await;
        Instant::now()
    };
    let ((events, woken), appended) = tokio::join!(following, appending);

    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_id, "e1");
    let delay = woken.saturating_duration_since(appended);
    assert!(delay < Duration::from_millis(500), "{delay:?}");
}

#[tokio::test]
async fn what_is_no_event_ends_neither_a_read_nor_the_stream() {
    let stage = Stage::new().await;
    let store = stage.store();
    let junk = ["XADD", "events:{order}", "*", "foo", "bar"];
    append_one(&*store, "e0", "a", NoStream).await;
    let _: String = stage.redis(&junk).await;
    append_one(&*store, "e1", "b", NoStream).await;
    let _: String = stage.redis(&junk).await;
    let _: String = stage.redis(&junk).await;

    let (first, both) = tokio::join!(
        store.read(Topic::Order.into(), Position::START, 1),
        store.read(Topic::Order.into(), Position::START, 2),
    );
    let (first, both) = (first.unwrap(), both.unwrap());
    let after = first[0].position;
    let next = store.read(Topic::Order.into(), after, 1).await.unwrap();
    let end = store.last_position(Topic::Order.into()).await.unwrap();

    let positions =
        |events: &[RecordedEvent]| events.iter().map(|e| e.position).collect::<Vec<_>>();
    assert_eq!(positions(&both), positions(&[first, next].concat()));
    assert_eq!(end, both[1].position);
    // A follower waits behind it.
    let (wait_max, began) = (Duration::from_millis(50), Instant::now());
    let none = store.follow(Topic::Order.into(), end, 10, wait_max).await;
    assert!(none.unwrap().is_empty());
    assert!(began.elapsed() >= wait_max, "{:?}", began.elapsed());
}

#[tokio::test]
async fn nothing_follows_the_last_position_that_there_can_be() {
    let stage = Stage::new().await;
    let store = stage.store();
    append_one(&*store, "e1", "a", NoStream).await;

    let behind = store.read(Topic::Order.into(), Position::END, 10).await;

    assert!(behind.unwrap().is_empty());
}
