//! A clock is set back by hours while a shop sells: its Redis's alone, or that of the machine with both. Then the shop is killed, and the next
//! one begins at a time before all that it finds.

use std::time::Duration;

use ordershop_contract::failpoint::Failpoint;

use crate::audit;
use crate::buyers::Buyers;
use crate::clock::Clock;
use crate::process::{Action, Armed, Port, ShopProcess};
use crate::redis_server::ForeignRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_rediss_clock_is_set_back_the_shop_goes_on_and_so_does_the_next_one() {
    if let Some(clock) = Clock::new() {
        set_back(&clock, Vec::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_machines_clock_is_set_back_the_shop_goes_on_and_so_does_the_next_one() {
    if let Some(clock) = Clock::new() {
        set_back(&clock, clock.variables()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_killed_before_its_answer_finds_its_effect_on_a_redis_that_is_an_hour_behind() {
    let Some(clock) = Clock::new() else {
        return;
    };
    clock.set_back(hours(1));
    let redis = ForeignRedis::start_with(&[], clock.variables()).await;
    let (port, url) = (Port::free(), redis.url());
    let args = ["--redis-url", &url];
    let armed = Armed {
        point: Failpoint::CommandAppended,
        pass: 3,
        action: Action::Kill,
    };
    let mut shop = ShopProcess::start(port.clone(), &args, Some(armed));
    let buyers = Buyers::start(&shop.customer(), &url);
    shop.interrupted().await.unwrap();
    let mut shop = ShopProcess::start(port, &args, None);
    shop.ready().await;

    let answered = buyers.finish().await;
    audit::is_as_answered(&shop.customer(), &answered)
        .await
        .unwrap();
    audit::passes(&shop.customer(), &url).await.unwrap();
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

/// Sets the clock of a Redis back, and with these variables the shop's.
async fn set_back(clock: &Clock, variables: Vec<(&str, String)>) {
    let redis = ForeignRedis::start_with(&[], clock.variables()).await;
    let (port, url) = (Port::free(), redis.url());
    let start = || ShopProcess::start_with(port.clone(), &["--redis-url", &url], variables.clone());
    let mut shop = start();
    shop.ready().await;

    let mut answered = Buyers::start(&shop.customer(), &url).finish().await;
    let buyers = Buyers::start(&shop.customer(), &url);
    buyers.are_answered().await;
    clock.set_back(hours(1));
    answered.extend(buyers.finish().await);
    let buyers = Buyers::start(&shop.customer(), &url);
    buyers.are_answered().await;
    shop.end("-KILL").await;
    clock.set_back(hours(2));
    let mut shop = start();
    shop.ready().await;
    answered.extend(buyers.finish().await);

    let customer = shop.customer();
    audit::is_as_answered(&customer, &answered).await.unwrap();
    audit::passes(&customer, &url).await.unwrap();
}
