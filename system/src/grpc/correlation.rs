//! Correlation on the wire, in either contract of ours.

use super::proto::ordershop as proto;
use crate::correlation::Correlation;

pub(super) fn correlation(correlation: Correlation) -> proto::Correlation {
    proto::Correlation {
        correlation_id: correlation.correlation_id,
        causation_id: correlation.causation_id,
    }
}

/// None means empty ids.
pub(super) fn to_correlation(correlation: Option<proto::Correlation>) -> Correlation {
    let correlation = correlation.unwrap_or_default();
    Correlation {
        correlation_id: correlation.correlation_id,
        causation_id: correlation.causation_id,
    }
}
