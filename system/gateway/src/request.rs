//! A request as handlers take it: with its trace, the shared state, and its parameters on demand.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;

use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use super::answered_positions;
use super::error::HttpError;
use super::lists::{List, ListPages};
use super::paging::{QueryString, percent_decode};
use super::state::GatewayState;
use super::trace::Trace;

/// Longest parameter in a path, bytes after decoding.
pub(super) const PATH_PARAM_BYTES_MAX: usize = 200;

/// A request with all that its handler needs.
pub(super) struct GatewayRequest {
    pub(super) state: Arc<GatewayState>,
    pub(super) trace: Arc<Trace>,
    pub(super) http: Request,
}

impl GatewayRequest {
    /// The query string, in which only `known` parameters may be.
    ///
    /// # Errors
    /// As [`QueryString::parse`].
    pub(super) fn query_string(&self, known: &[&'static str]) -> Result<QueryString, HttpError> {
        QueryString::parse(self.http.uri().query(), known)
    }

    /// The positions of `topics` that the answer must include.
    ///
    /// # Errors
    /// 400 for a header that can't be read, 503 while the event store has not yet said where its topics end.
    pub(super) fn at_least<'a>(
        &self,
        topics: &'a [Topic],
    ) -> impl Future<Output = Result<Positions, HttpError>> + use<'a> {
        let asked = answered_positions::asked(self.http.headers(), self.state.events.partitions());
        let state = Arc::clone(&self.state);
        async move {
            let mut wanted = asked?;
            let wait_max = Duration::from_millis(state.config.call_timeout_ms);
            if !state.answered.has_begun(wait_max).await {
                let problem = "the event store does not say where its topics end; try again";
                return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, problem));
            }
            wanted.merge(&state.answered.of(topics));
            Ok(wanted)
        }
    }

    /// The parameter at the end of the path, decoded. axum's own `Path` takes a broken percent encoding as it stands; here it is refused.
    ///
    /// # Errors
    /// 400 for one that is too long or badly encoded.
    pub(super) fn path_param(&self) -> Result<String, HttpError> {
        let segment = self
            .http
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let text = percent_decode(segment, false).ok_or_else(|| {
            HttpError::bad_request(format!("{segment:?} is not percent-encoded UTF-8"))
        })?;
        if text.len() > PATH_PARAM_BYTES_MAX {
            return Err(HttpError::bad_request(format!(
                "the id is too long: it may have {PATH_PARAM_BYTES_MAX} bytes and has {}",
                text.len()
            )));
        }
        Ok(text)
    }

    /// The pages of a list, for a request that wants the whole.
    pub(super) fn pages(&self, list: List, at_least: Positions) -> ListPages {
        ListPages::new(&self.state, list, at_least, &self.trace.correlation_id)
    }
}
