//! Tests holding a schedule while drivers follow it.

use std::time::Duration;

use crate::held::held;
use crate::support::{SmallSystem, open};

#[test]
fn a_held_ramp_keeps_its_rate_and_then_goes_on_for_all_drivers_alike() {
    let system = SmallSystem::start();
    let folder = tempfile::tempdir().unwrap();
    let stages = "stages = [{ duration = \"4s\", from = 0.0, to = 400.0 }]\n";
    let text = open(1, "4s", "").replace("rate = 1.0\nduration = \"4s\"\n", stages);

    let (report, told) = held(&text, &system.url, None, folder.path());

    assert!(
        told[0].starts_with("held 1"),
        "about 100/s after a second: {told:?}"
    );
    assert_eq!(told[1], "went on, 3");
    let hold = &report.holds[0];
    let length = hold.until_s - hold.from_s;
    // The ramp has 800 journeys; those of the hold come in between.
    let expected = 800.0 + hold.rate_per_s * length;
    let started = report.journeys.started as f64;
    assert!((started - expected).abs() <= 2.0, "{started} of {expected}");
    assert_eq!(system.requests() as f64, started);
    assert_eq!((report.journeys.dropped, report.journeys.unsent), (0, 0));
    let series = report.series.unwrap();
    let asked: f64 = series.points.iter().filter_map(|p| p.asked).sum();
    assert!(
        (asked / expected - 1.0).abs() < 0.01,
        "{asked} of {expected}"
    );
    let length = Duration::from_secs_f64(4.0 + length);
    assert!(report.duration_s >= length.as_secs_f64() - 0.01);
}
