//! Waits until nothing is in flight, because the lists agree with the events only then.

use std::time::{Duration, Instant};

use super::gauges::Gauges;
use super::surface::Surface;

/// Pause between two readings; longer than the target caches its gauges.
const PAUSE: Duration = Duration::from_millis(250);

/// How the target became idle.
#[derive(Debug)]
pub struct Settled {
    /// How long that took.
    pub took: Duration,
    /// The last reading; `None` if the target has no metrics.
    pub gauges: Option<Gauges>,
    /// The work that was still in flight at the time limit.
    pub unsettled: Option<String>,
}

/// Reads the gauges until two readings in a row have nothing in flight and no write lies between them, or until the time limit. The target
/// was idle from the first of the two on.
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
            // A target without metrics can't be waited for.
            return Settled {
                took: looked,
                gauges,
                unsettled: None,
            };
        }
        if start.elapsed() >= timeout {
            let busy = gauges.as_ref().map_or_else(
                || "its /metrics no longer answers".to_owned(),
                |gauges| match gauges.in_flight() {
                    0 => "events are still being written".to_owned(),
                    _ => gauges.busy(),
                },
            );
            return Settled {
                took: start.elapsed(),
                unsettled: Some(format!("not idle after {timeout:?}: {busy}")),
                gauges,
            };
        }
        before = gauges.map(|gauges| (gauges, looked));
        tokio::time::sleep(PAUSE).await;
    }
}
