//! A service that stands still for longer than its callers wait.

use std::time::Duration;

use serde_json::{Value, json};

use crate::customer::Customer;
use crate::deployment::{Deployment, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_that_stood_still_had_not_taken_is_never_begun() {
    let dir = tempfile::TempDir::new().unwrap();
    let deployment = Deployment::in_folder(dir.path()).await;
    let http = Customer::new(deployment.url());
    let product = async |name: &str| {
        let body = json!({"name": name, "price": 1});
        http.post("/product", &body).await
    };
    product("before").await.id();
    let service = deployment.process_of("product-service").unwrap();

    signal(service, "-STOP");
    let names: Vec<String> = (0..5).map(|n| format!("late {n}")).collect();
    let late = futures_util::future::join_all(names.iter().map(|name| product(name))).await;
    signal(service, "-CONT");
    // Each worker of the service answers what it was sent before it takes one of these.
    let after = futures_util::future::join_all((0..20).map(|_| product("after"))).await;

    let mut unknown = 0;
    let mut not_begun = Vec::new();
    for (name, late) in names.iter().zip(&late) {
        if late.status == 504 {
            late.refused(504, "outcome unknown");
            unknown += 1;
        } else {
            late.refused(503, "nothing was done");
            not_begun.push(name.as_str());
        }
    }
    // It has two workers, and each can hold a batch.
    assert!(unknown > 0);
    for after in after {
        after.id();
    }
    // What a worker held may have been begun: it may be delivered again, and is carried out then, once.
    let products = http.get("/products").await;
    for name in names.iter().map(String::as_str) {
        let listed = products.result().as_array().unwrap().iter();
        let made = listed.filter(|product| product["name"] == name).count();
        let made_max = usize::from(!not_begun.contains(&name));
        assert!(made <= made_max, "{name} was made {made} times");
    }
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_while_the_read_model_stood_still_is_done_when_it_goes_on() {
    let dir = tempfile::TempDir::new().unwrap();
    let deployment = Deployment::in_folder(dir.path()).await;
    let http = Customer::new(deployment.url());
    let product = http.product(1, 5).await;
    let cart = json!({"customer_id": http.customer().await, "product_ids": [product]});
    let read_model = deployment.process_of("read-model").unwrap();

    signal(read_model, "-STOP");
    let accepted = http.post("/carts", &cart).await;
    let id = accepted.result().as_str().unwrap();
    // Longer than a service waits for an answer, so that the command is given back at least once.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let outcome = http.get(&format!("/requests/{id}")).await;
    assert_eq!(outcome.result()["state"], "pending", "{}", outcome.body);
    signal(read_model, "-CONT");

    http.eventually(&format!("/cart/{id}"), Value::is_object)
        .await;
    http.eventually(&format!("/requests/{id}"), |now| now["state"] == "done")
        .await;
    let dead = http.get("/dead-letters").await;
    assert_eq!(dead.result(), &json!([]));
    deployment.stop().await;
}
