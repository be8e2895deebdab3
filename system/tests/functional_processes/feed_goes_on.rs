//! Who tells the live feed is killed while it is open.

use crate::customer::Customer;
use crate::deployment::{Deployment, signal};
use crate::feed::{of_customers, tells_the_next};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_feed_goes_on_telling_what_is_applied_whoever_is_killed() {
    let dir = tempfile::TempDir::new().unwrap();
    let deployment = Deployment::in_folder(dir.path()).await;
    let http = Customer::new(deployment.url());
    let mut socket = of_customers(&http).await;
    tells_the_next(&mut socket, &http).await;

    for service in ["read-model", "event-store", "message-queue"] {
        signal(deployment.process_of(service).unwrap(), "-KILL");
        tells_the_next(&mut socket, &http).await;
    }
    deployment.stop().await;
}
