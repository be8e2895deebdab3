//! Passes on how far the read model is, as soon as it is told, while a socket is open.

use std::sync::Arc;
use std::time::Duration;

use crate::state::GatewayState;
use ordershop_contract::position::Positions;

/// The longest wait for news; then it is looked whether a socket is still open.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The pause after an error.
const PAUSE: Duration = Duration::from_millis(250);

/// Watches the read model's progress. Never returns.
pub(super) async fn watch(state: Arc<GatewayState>) {
    loop {
        state.hub.until_open().await;
        let mut known = Positions::NONE;
        let turn = state.hub.turn();
        while state.hub.is_open_or_forget() && state.hub.turn() == turn {
            match state.events.applied(&known, WAIT_MAX).await {
                Ok(applied) => {
                    known.merge(&applied.positions);
                    // Another read model may see it a moment later.
                    state.answered.raise(&known);
                    state.hub.projected(&applied.batches);
                    state.hub.applied(&known);
                }
                Err(error) => {
                    tracing::debug!(%error, "can't read the read model's progress");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
