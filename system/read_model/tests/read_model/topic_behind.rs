//! One topic whose projection stands still, while the others go on.

use std::time::Instant;

use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::{GET_DELIVERED_ORDERS, GET_ENTITY};
use ordershop_contract::topic::Topic;
use serde_json::json;

use crate::stage::{Instance, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_behind_delays_no_reads_of_others() {
    let stage = Stage::new().await;
    // Who holds the lease of carts projects none.
    stage.hold_projection(Topic::Cart).await;
    let model = Instance::start(&stage.server, 1);
    let tea = stage.product("tea").await;
    model.sees("tea", &tea).await;
    // What was there at the start may be applied without the lease.
    let mut carts = 0;
    let of_carts = loop {
        let id = format!("cart {carts}");
        let cart = json!({"entity_id": id, "customer_id": "ada", "product_ids": ["tea"]});
        let written = stage.create(Topic::Cart, &cart.to_string()).await;
        let query = json!({"params": {"name": "cart", "id": id}, "at_least": written});
        if model.ask(GET_ENTITY, &query).await["status"] == 503 {
            break query;
        }
        carts += 1;
    };
    let begun = Instant::now();
    let behind = async {
        // More than fit into a batch.
        let reads = (0..300).map(|_| model.ask(GET_ENTITY, &of_carts));
        let replies = futures_util::future::join_all(reads).await;
        (replies, begun.elapsed())
    };
    let others = async {
        let mut reads = 0;
        while begun.elapsed().as_millis() < 1_500 {
            model.sees("tea", &tea).await;
            let query = json!({"params": {}, "at_least": Positions::NONE});
            model.ask(GET_DELIVERED_ORDERS, &query).await;
            reads += 1;
        }
        reads
    };
    let ((replies, waited), reads) = tokio::join!(behind, others);

    for reply in replies {
        assert_eq!(reply["status"], 503, "{reply}");
    }
    assert!(waited.as_millis() > 2_000, "they waited: {waited:?}");
    // Each would have waited for the carts' reads: at most one would have been answered meanwhile.
    assert!(reads > 5, "{reads}");

    stage.release_projection(Topic::Cart).await;
    let found = model.ask(GET_ENTITY, &of_carts).await;
    assert_eq!(found["result"]["customer_id"], "ada", "{found}");
    model.stop().await;
}
