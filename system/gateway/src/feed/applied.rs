//! Asks the read model for its progress, one request at a time, while a socket is open.

use std::sync::Arc;
use std::time::Duration;

use crate::state::GatewayState;
use ordershop_contract::position::Positions;
use ordershop_contract::queue_names::GET_POSITIONS;
use ordershop_contract::readiness::{Applied, positions_after};

/// The pause after an error.
const PAUSE: Duration = Duration::from_millis(250);

/// Watches the read model's progress. Never returns.
pub(super) async fn watch(state: Arc<GatewayState>) {
    let interval = Duration::from_millis(state.config.feed.applied_interval_ms);
    loop {
        state.hub.until_open().await;
        let mut known = Positions::NONE;
        let mut turn = state.hub.turn();
        while state.hub.is_open_or_forget() {
            if turn != state.hub.turn() {
                turn = state.hub.turn();
                known = Positions::NONE;
            }
            let correlation_id = state.ids.query_id();
            let reply = state
                .query(GET_POSITIONS, positions_after(&known), &correlation_id)
                .await;
            let applied = reply.map_err(|error| error.to_string()).and_then(|json| {
                serde_json::from_str::<Applied>(json.get()).map_err(|_| json.get().to_owned())
            });
            match applied {
                Ok(applied) => {
                    known.merge(&applied.result);
                    state.hub.projected(&applied.batches);
                    state.hub.applied(&known);
                    // Under load this pause merges several steps of progress into one answer.
                    tokio::time::sleep(interval).await;
                }
                Err(error) => {
                    tracing::debug!(error, "can't read the read model's progress");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
