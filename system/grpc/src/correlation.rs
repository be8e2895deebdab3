//! Converts correlations to messages and back, for both of OrderShop's own contracts.

use super::proto::ordershop as proto;
use ordershop_contract::correlation::{Correlation, Times};

pub(super) fn correlation(correlation: Correlation) -> proto::Correlation {
    proto::Correlation {
        correlation_id: correlation.correlation_id,
        causation_id: correlation.causation_id,
        times: correlation.times.map(|times| proto::Times {
            received_at_us: times.received_at_us,
            submitted_at_us: times.submitted_at_us,
        }),
    }
}

/// Converts a correlation; a missing one gets empty ids.
pub(super) fn to_correlation(correlation: Option<proto::Correlation>) -> Correlation {
    let correlation = correlation.unwrap_or_default();
    Correlation {
        correlation_id: correlation.correlation_id,
        causation_id: correlation.causation_id,
        times: correlation.times.map(|times| Times {
            received_at_us: times.received_at_us,
            submitted_at_us: times.submitted_at_us,
        }),
    }
}
