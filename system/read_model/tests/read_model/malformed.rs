//! Events whose data are malformed: each is put aside alone, once, and can be handled again.

use std::collections::HashMap;

use ordershop_contract::dead_letters::DeadLetterRequest;
use ordershop_contract::topic::Topic;

use crate::stage::{Instance, Stage};

/// A product without a name or a price.
const MALFORMED: &str = r#"{"entity_id":"half"}"#;

/// The products that are put aside.
async fn letters(stage: &Stage) -> Vec<String> {
    let letters: Vec<(String, HashMap<String, String>)> = stage
        .redis(&["XRANGE", "dead:{product}:read-model", "-", "+"])
        .await;
    let ids = letters
        .into_iter()
        .map(|(_, fields)| fields["aggregate_id"].clone());
    ids.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_one_dead_letter_also_when_it_is_applied_again_by_the_next() {
    let stage = Stage::new().await;
    let dying = Instance::lingering(&stage.server, 1, std::time::Duration::from_secs(3_600));
    stage.create(Topic::Product, MALFORMED).await;
    let tea = stage.product("tea").await;
    dying.sees("tea", &tea).await;
    // It is put aside with the position, so that neither is there without the other.
    assert_eq!(letters(&stage).await, Vec::<String>::new());
    dying.stop().await;

    let next = Instance::start(&stage.server, 2);

    next.sees("tea", &tea).await;
    next.comes_to_write(Topic::Product, &tea, &stage).await;
    assert_eq!(letters(&stage).await, ["half"]);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_sent_again_all_after_it_is_applied_after_it() {
    let stage = Stage::new().await;
    let instance = Instance::start(&stage.server, 1);
    stage.create(Topic::Product, MALFORMED).await;
    let tea = stage.product("tea").await;
    instance.comes_to_write(Topic::Product, &tea, &stage).await;
    // A letter of an event that can be applied now, as after an update of the program.
    let position = tea.get(Topic::Product).unwrap().to_string();
    let letter = [
        "XADD",
        "dead:{product}:read-model",
        "*",
        "aggregate_id",
        "tea",
    ];
    let letter = [&letter[..], &["position", &position]].concat();
    let _: String = stage.redis(&letter).await;
    assert_eq!(letters(&stage).await, ["half", "tea"]);
    let lost = ["HDEL", "entities:{product}", "tea", "before all"];
    let _: u64 = stage.redis(&lost).await;

    let list = DeadLetterRequest::List { skip: 0, limit: 10 };
    for letter in stage.dead_letters(list).await {
        stage
            .dead_letters(DeadLetterRequest::Resend(letter.id))
            .await;
    }

    instance.comes_to_see("tea", true).await;
    instance.comes_to_write(Topic::Product, &tea, &stage).await;
    assert_eq!(letters(&stage).await, ["half"]);
    // What was before them isn't applied again.
    instance.comes_to_see("before all", false).await;
    instance.stop().await;
}
