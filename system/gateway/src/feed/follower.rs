//! Follows one partition of the event store while a socket is open.

use std::sync::Arc;
use std::time::Duration;

use crate::state::GatewayState;
use ordershop_contract::event_store::EventStoreError;
use ordershop_contract::partition::Partition;

/// How long the store waits for an event before it answers with none.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The pause after a first error; it doubles with each further error, up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Publishes a partition's events to the hub. Never returns.
pub(super) async fn follow(state: Arc<GatewayState>, partition: Partition) {
    let mut pause = PAUSE_MIN;
    let batch_max = state.config.feed.batch_max;
    loop {
        state.hub.until_open().await;
        let turn = state.hub.turn();
        let mut after = match state.events.last_position(partition).await {
            Ok(position) => position,
            Err(error) => {
                back_off(&mut pause, partition, &error).await;
                continue;
            }
        };
        state.hub.follows(partition, after);
        // Whether the store may have gone back since the last batch: nothing came, or it was away.
        let mut in_doubt = false;
        while state.hub.is_open_or_unfollow(partition) && state.hub.turn() == turn {
            if in_doubt {
                match state.events.is_gone(partition, after).await {
                    Ok(false) => {}
                    Ok(true) => {
                        tracing::warn!(topic = %partition, %after, "the event store went back; the live feed begins anew");
                        state.hub.went_back(turn);
                        continue;
                    }
                    Err(error) => {
                        back_off(&mut pause, partition, &error).await;
                        continue;
                    }
                }
            }
            match state
                .events
                .follow(partition, after, batch_max, WAIT_MAX)
                .await
            {
                Ok(batch) => {
                    pause = PAUSE_MIN;
                    in_doubt = batch.is_empty();
                    if let Some(last) = batch.last() {
                        after = last.position;
                        state.hub.publish(partition, &batch);
                    }
                }
                // `after` is unchanged, so no event is skipped.
                Err(error) => {
                    in_doubt = true;
                    back_off(&mut pause, partition, &error).await;
                }
            }
        }
    }
}

async fn back_off(pause: &mut Duration, partition: Partition, error: &EventStoreError) {
    tracing::warn!(topic = %partition, %error, "the live feed can't read the topic; trying again in {pause:?}");
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSE_MAX);
}
