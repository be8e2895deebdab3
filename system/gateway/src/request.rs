//! What handlers take of a request: the whole with its trace, and the parameter in its path.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;

use super::error::HttpError;
use super::lists::{List, ListPages};
use super::paging::{QueryString, percent_decode};
use super::state::GatewayState;
use super::trace::Trace;

/// Longest parameter in a path, bytes after decoding.
const PATH_PARAM_BYTES_MAX: usize = 200;

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
    /// 400 for a header that can't be read.
    pub(super) fn at_least(&self, topics: &[Topic]) -> Result<Positions, HttpError> {
        self.state.answered.at_least(topics, self.http.headers())
    }

    /// The pages of a list, for a request that wants the whole.
    pub(super) fn pages(&self, list: List, at_least: Positions) -> ListPages {
        ListPages::new(&self.state, list, at_least, &self.trace.correlation_id)
    }
}

impl FromRequest<Arc<GatewayState>> for GatewayRequest {
    type Rejection = Infallible;

    async fn from_request(
        mut http: Request,
        state: &Arc<GatewayState>,
    ) -> Result<Self, Infallible> {
        let trace = http.extensions_mut().remove();
        Ok(Self {
            state: Arc::clone(state),
            trace: trace.expect("the middleware around every handler gives each request a trace"),
            http,
        })
    }
}

/// The parameter at the end of a path, decoded.
pub(super) struct PathParam(pub(super) String);

impl<S: Sync> FromRequestParts<S> for PathParam {
    type Rejection = HttpError;

    /// axum's own `Path` takes a broken percent encoding as it stands; here it is refused.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        let segment = parts.uri.path().rsplit('/').next().unwrap_or_default();
        let text = percent_decode(segment, false).ok_or_else(|| {
            HttpError::bad_request(format!("{segment:?} is not percent-encoded UTF-8"))
        })?;
        if text.len() > PATH_PARAM_BYTES_MAX {
            return Err(HttpError::bad_request(format!(
                "the id is too long: it may have {PATH_PARAM_BYTES_MAX} bytes and has {}",
                text.len()
            )));
        }
        Ok(Self(text))
    }
}
