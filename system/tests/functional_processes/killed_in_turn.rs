//! Every service is killed once, one after the other, while customers buy.

use std::time::{Duration, Instant};

use crate::buyers::Buyers;
use crate::customer::Customer;
use crate::deployment::{Deployment, signal};
use crate::ledger;

const SERVICES: [&str; 13] = [
    "api-gateway",
    "event-store",
    "message-queue",
    "read-model",
    "customer-service",
    "product-service",
    "inventory-service",
    "cart-service",
    "order-service",
    "billing-service",
    "shipping-service",
    "crm-service",
    "mail-service",
];
const PRICE: u64 = 7;
const STOCK: u64 = 1_000_000;
/// The timeout for a killed service to return and orders to be accepted again, ms.
const BACK_MS_MAX: u64 = 30_000;
/// The interval of the checks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until new orders are accepted.
async fn goes_on(deployment: &Deployment, buyers: &Buyers, orders: usize, after: &str) {
    let (before, deadline) = (buyers.accepted(), deadline());
    while buyers.accepted() < before + orders {
        assert!(
            Instant::now() < deadline,
            "no more orders after {after}: {}",
            deployment.log()
        );
        tokio::time::sleep(LOOK).await;
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_millis(BACK_MS_MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_service_is_killed_every_accepted_order_ends_and_nothing_happens_twice() {
    let dir = tempfile::TempDir::new().unwrap();
    let deployment = Deployment::in_folder(dir.path()).await;
    let http = Customer::new(deployment.url());
    let customer = http.customer().await;
    let product = http.product(PRICE, STOCK).await;
    let buyers = Buyers::start(&http, &customer, &product, PRICE);

    for service in SERVICES {
        goes_on(&deployment, &buyers, 5, "the one before").await;
        let killed = deployment.process_of(service);
        let killed = killed.unwrap_or_else(|| panic!("no {service}: {}", deployment.log()));
        signal(killed, "-KILL");
        let deadline = deadline();
        while deployment
            .process_of(service)
            .is_none_or(|pid| pid == killed)
        {
            assert!(
                Instant::now() < deadline,
                "{service} did not come back: {}",
                deployment.log()
            );
            tokio::time::sleep(LOOK).await;
        }
        goes_on(&deployment, &buyers, 5, service).await;
    }

    let accepted = buyers.stop().await;
    let orders = ledger::bring_to_an_end(&http, &accepted, PRICE).await;
    ledger::adds_up(&http, &product, STOCK, orders).await;
    ledger::nothing_is_left_over(&http, &deployment.redis_url()).await;
    deployment.stop().await;
}
