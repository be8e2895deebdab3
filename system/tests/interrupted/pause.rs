//! The shop stands still at each failpoint, so long that its leases are lost and its messages are given to another shop on the same Redis, which
//! does what was half done. Then it goes on where it stood.

use std::time::Duration;

use ordershop_contract::failpoint::Failpoint;

use crate::audit;
use crate::buyers::Buyers;
use crate::process::{Action, Armed};
use crate::stage::Stage;
use crate::walk::{every, failpoints};

/// Longer than until a writer and a group have another lease holder (2 s) and a silent worker's messages are given back (5 to 7 s).
const STANDSTILL: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_stood_still_between_two_effects_does_nothing_a_second_time() {
    let places = vec![
        (Failpoint::MessagesTaken, 3),
        (Failpoint::EventsWritten, 5),
        (Failpoint::StockReserved, 2),
    ];
    every(places, |(point, pass)| stopped_at(point, pass)).await;
}

#[ignore = "takes minutes; `make walk` runs it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_shop_stood_still_it_does_nothing_a_second_time() {
    every(failpoints(), |(point, pass)| stopped_at(point, pass)).await;
}

async fn stopped_at(point: Failpoint, pass: usize) -> Result<(), String> {
    let action = Action::Stop;
    let (stage, shop, buyers) = Stage::interrupted(Armed {
        point,
        pass,
        action,
    })
    .await?;
    let standstill = tokio::time::sleep(STANDSTILL);
    let mut second = stage.start_second();
    second.ready().await;
    let others = Buyers::start(&second.customer(), stage.redis_url());
    standstill.await;
    let mut answered = others.finish().await;
    second.end("-TERM").await;
    shop.signal("-CONT");
    answered.extend(buyers.finish().await);
    audit::is_as_answered(&shop.customer(), &answered).await?;
    audit::passes(&shop.customer(), stage.redis_url()).await
}
