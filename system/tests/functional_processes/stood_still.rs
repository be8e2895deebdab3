//! A service that stands still for longer than its callers wait.

use serde_json::json;

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
