//! A walk: the same interruption at every place of a list, several at a time; every place that fails is told.

use ordershop_contract::failpoint::Failpoint;
use tokio::sync::Semaphore;

/// How many places all walks together try at a time: most of an interruption is waiting for leases and heartbeats, but the walks run side by
/// side, and a machine that is too busy answers too late.
static AT_ONCE: Semaphore = Semaphore::const_new(5);

/// Tries every place; panics with those that failed.
pub async fn every<P, F>(places: Vec<P>, interrupt: impl Fn(P) -> F)
where
    P: std::fmt::Debug + Clone,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    assert!(!places.is_empty());
    let tried = places.into_iter().map(|place| {
        let interrupted = interrupt(place.clone());
        // A task of its own, so that a panic is told like any other failure.
        let tried = tokio::spawn(async move {
            let _turn = AT_ONCE.acquire().await.unwrap();
            interrupted.await
        });
        async move { (place, tried.await) }
    });
    let all = futures_util::future::join_all(tried).await;
    let count = all.len();
    let failed: Vec<String> = all
        .into_iter()
        .filter_map(|(place, outcome)| {
            let why = match outcome {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(panicked) => panicked.to_string(),
            };
            Some(format!("{place:?}: {why}"))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {count} places failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// The failpoints of a walk through the shop, which is no archive's, each with the pass at which it interrupts: `FAILPOINT=<name>` chooses one, `FAILPOINT_PASS=<number>` the pass.
pub fn failpoints() -> Vec<(Failpoint, usize)> {
    let chosen = std::env::var("FAILPOINT").ok();
    let pass = std::env::var("FAILPOINT_PASS").ok();
    let pass = pass.map(|pass| pass.parse::<usize>().unwrap());
    let all = Failpoint::ALL.iter().copied().enumerate();
    all.filter(|(_, point)| !point.name().starts_with("archive."))
        .filter(|(_, point)| chosen.as_deref().is_none_or(|name| name == point.name()))
        // The second to the sixth time: not always at the same step of an order.
        .map(|(n, point)| (point, pass.unwrap_or(2 + n * 7 % 5)))
        .collect()
}

/// How the shop before ends: only a shop that was killed leaves something to recover.
pub fn end_before(point: Failpoint) -> &'static str {
    match point {
        Failpoint::MessagesGivenBack => "-KILL",
        _ => "-TERM",
    }
}
