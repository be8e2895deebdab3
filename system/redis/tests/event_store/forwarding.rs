//! Two event stores on one Redis: one leads, and the other hands on to it or takes over.

use std::sync::atomic::Ordering;

use ordershop_contract::event_store::{Appended, EventStore, EventStoreError, ExpectedVersion};
use ordershop_redis::connection::RedisLink;
use ordershop_redis::event_store::{EventStoreConfig, RedisEventStore};

use crate::cut_line::CutLine;
use crate::stage::*;

/// Makes somebody the writer who never answers, for `ms`.
async fn ghost_leads(stage: &Stage, ms: &str) {
    let _: String = stage
        .redis(&["SET", "lease:{order}:writer", "ghost", "PX", ms])
        .await;
    let _: String = stage.redis(&["SET", "fence:{order}", "7"]).await;
}

#[tokio::test]
async fn what_a_store_that_stands_by_is_given_is_written_by_the_leader() {
    let stage = Stage::new().await;
    let leader = stage.store();
    append_one(&*leader, "e0", "a", ExpectedVersion::NoStream).await;
    let standby = stage.store();

    let answers = standby
        .append(vec![
            transaction(vec![event("e1", "a", ExpectedVersion::Exact(1))]),
            transaction(vec![event("e2", "a", ExpectedVersion::Exact(1))]),
            transaction(vec![event("e3", "b", ExpectedVersion::NoStream)]),
            // Decided on the second one, which is refused.
            transaction(vec![event("e4", "a", ExpectedVersion::Exact(2))]),
        ])
        .await
        .unwrap();

    let committed: Vec<bool> = answers.iter().map(is_committed).collect();
    assert_eq!(committed, [true, false, true, false], "{answers:?}");
    let Appended::Conflict { key, version, .. } = &answers[1] else {
        panic!("{answers:?}");
    };
    assert_eq!((key.as_str(), *version), ("a", 2));
    let events = all_events(&*standby).await;
    let ids: Vec<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    assert_eq!(ids, ["e0", "e1", "e3"]);
    let first = (
        events[1].correlation.clone(),
        events[1].data.get().to_owned(),
    );
    let given = event("e1", "a", ExpectedVersion::Any);
    assert_eq!(first, (given.correlation, given.data.get().to_owned()));
    let fence: u64 = stage.redis(&["GET", "fence:{order}"]).await;
    assert_eq!(fence, 1, "the leader stayed");
    // What was answered is cleared away.
    let deadline = std::time::Instant::now() + PATIENCE;
    while stage.redis::<u64>(&["XLEN", "forward:{order}"]).await > 0 {
        assert!(std::time::Instant::now() < deadline, "requests are left");
    }
}

#[tokio::test]
async fn what_was_handed_to_a_leader_that_died_is_written_once_by_its_successor() {
    let stage = Stage::new().await;
    ghost_leads(&stage, "1500").await;
    let standby = stage.store();

    let answer = append_one(&*standby, "e0", "a", ExpectedVersion::Any).await;

    assert!(is_committed(&answer), "{answer:?}");
    let requests: bool = stage.redis(&["EXISTS", "forward:{order}"]).await;
    assert!(requests, "it was handed to the ghost");
    assert_eq!(all_events(&*standby).await.len(), 1);
}

#[tokio::test]
async fn what_a_leader_never_answers_is_indeterminate() {
    let stage = Stage::new().await;
    ghost_leads(&stage, "60000").await;
    let standby = stage.store_with(EventStoreConfig {
        indeterminate_after_ms: 300,
        ..Default::default()
    });

    let transaction = transaction(vec![event("e0", "a", ExpectedVersion::Any)]);
    let answer = standby.append(vec![transaction]).await;

    assert!(
        matches!(answer, Err(EventStoreError::Indeterminate(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_a_leader_wrote_without_answering_is_found_by_its_successor() {
    let stage = Stage::new().await;
    let line = CutLine::to(stage.dir.path().join("redis.sock")).await;
    let link = RedisLink::new(&line.url).unwrap();
    let leader = RedisEventStore::start(link, &stage.metrics, EventStoreConfig::default());
    append_one(&*leader, "e0", "a", ExpectedVersion::NoStream).await;
    let standby = stage.store();
    // The leader dies with the answer to its commit.
    line.die_after_write.store(true, Ordering::Relaxed);

    let answer = append_one(&*standby, "e1", "a", ExpectedVersion::Any).await;

    assert!(is_committed(&answer), "{answer:?}");
    let events = all_events(&*standby).await;
    let ids: Vec<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    assert_eq!(ids, ["e0", "e1"]);
    assert!(line.half_open.is_cancelled(), "the leader wrote it");
}
