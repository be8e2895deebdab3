//! The shop is killed at each failpoint and started again.

use ordershop_contract::failpoint::Failpoint;

use crate::audit;
use crate::process::{Action, Armed};
use crate::stage::Stage;
use crate::walk::{every, failpoints};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_killed_between_two_effects_completes_what_it_answered_once() {
    every(failpoints(), |(point, pass)| killed_at(point, pass)).await;
}

async fn killed_at(point: Failpoint, pass: usize) -> Result<(), String> {
    let action = Action::Kill;
    let (stage, _, buyers) = Stage::interrupted(Armed {
        point,
        pass,
        action,
    })
    .await?;
    let mut shop = stage.start(None);
    shop.ready().await;
    let answered = buyers.finish().await;
    audit::is_as_answered(&shop.customer(), &answered).await?;
    audit::passes(&shop.customer(), stage.redis_url()).await
}
