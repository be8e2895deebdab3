//! A service that stands still for longer than its callers wait.

use serde_json::json;

use crate::customer::Customer;
use crate::deployment::{Deployment, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_stood_still_begins_nothing_whose_caller_has_given_up() {
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
    let late = futures_util::future::join_all((0..5).map(|_| product("late"))).await;
    signal(service, "-CONT");
    // Each worker of the service answers what it was sent before it takes one of these.
    let after = futures_util::future::join_all((0..20).map(|_| product("after"))).await;

    let (unknown, not_begun): (Vec<_>, Vec<_>) = late.iter().partition(|late| late.status == 504);
    for late in &unknown {
        late.refused(504, "outcome unknown");
    }
    for late in &not_begun {
        late.refused(503, "nothing was done");
    }
    // It has two workers, and each can hold a batch.
    assert!(!unknown.is_empty());
    for after in after {
        after.id();
    }
    let products = http.get("/products").await;
    let products = products.result().as_array().unwrap();
    assert!(
        products.iter().all(|product| product["name"] != "late"),
        "{products:?}"
    );
    deployment.stop().await;
}
