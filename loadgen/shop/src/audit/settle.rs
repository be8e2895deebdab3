//! Waiting until nothing is in flight: only then can what happened be held against what is shown.

use std::time::{Duration, Instant};

use super::gauges::Gauges;
use super::surface::Surface;

/// Between two looks; longer than the target keeps its gauges.
const PAUSE: Duration = Duration::from_millis(250);

/// How the target came to rest.
#[derive(Debug)]
pub struct Settled {
    /// How long that took.
    pub took: Duration,
    /// The last look; none where it has no metrics.
    pub gauges: Option<Gauges>,
    /// What was still going on when the time was over.
    pub unsettled: Option<String>,
}

/// Looks at the gauges until nothing is in flight and nothing was written between two looks in a row, within the limit. The first of those
/// looks is when the target was at rest.
pub async fn settle(surface: &Surface, timeout: Duration) -> Settled {
    let start = Instant::now();
    let mut before: Option<(Gauges, Duration)> = None;
    let mut had_metrics = false;
    loop {
        let looked = start.elapsed();
        let gauges = surface.gauges().await;
        had_metrics |= gauges.is_some();
        if let (Some(now), Some((then, since))) = (&gauges, &before)
            && now.in_flight() == 0
            && then.in_flight() == 0
            && now.appends == then.appends
        {
            let took = *since;
            return Settled {
                took,
                gauges,
                unsettled: None,
            };
        }
        if gauges.is_none() && !had_metrics && before.is_none() && looked > PAUSE * 4 {
            // It tells nothing: there is nothing to wait for.
            return Settled {
                took: looked,
                gauges,
                unsettled: None,
            };
        }
        if start.elapsed() >= timeout {
            let busy = gauges.as_ref().map_or_else(
                || "its metrics are gone".to_owned(),
                |gauges| match gauges.in_flight() {
                    0 => "events are still written".to_owned(),
                    _ => gauges.busy(),
                },
            );
            return Settled {
                took: start.elapsed(),
                unsettled: Some(format!("not at rest after {timeout:?}: {busy}")),
                gauges,
            };
        }
        before = gauges.map(|gauges| (gauges, looked));
        tokio::time::sleep(PAUSE).await;
    }
}
