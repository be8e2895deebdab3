//! Tests holding a schedule while drivers follow it, through the library, in the same way as the screen's key.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loadgen::out_folder::OutFolder;
use loadgen::run::{RunObservers, RunOptions, run};
use loadgen::run_event::{Listener, RunEvent, Wish};
use loadgen_engine::http_client::ConnectOptions;
use tokio::sync::mpsc;

use crate::support::{SmallSystem, open};

/// Holds the rate after the first second and continues two seconds later.
struct Holder {
    wishes: mpsc::UnboundedSender<Wish>,
    seconds: u64,
    told: Rc<RefCell<Vec<String>>>,
}

impl Listener for Holder {
    fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Interval(_) => {
                self.seconds += 1;
                if self.seconds == 1 || self.seconds == 3 {
                    self.wishes.send(Wish::ToggleHold).unwrap();
                }
            }
            RunEvent::Held { rate, .. } => self.told.borrow_mut().push(format!("held {rate:.0}")),
            RunEvent::Resumed { stages, .. } => {
                let stages = stages.len();
                self.told.borrow_mut().push(format!("went on, {stages}"));
            }
            _ => {}
        }
    }
}

#[test]
fn a_held_ramp_keeps_its_rate_and_then_goes_on_for_all_drivers_alike() {
    let system = SmallSystem::start();
    let folder = tempfile::tempdir().unwrap();
    let stages = "stages = [{ duration = \"4s\", from = 0.0, to = 400.0 }]\n";
    let text = open(1, "4s", "").replace("rate = 1.0\nduration = \"4s\"\n", stages);
    let scenario = loadgen_scenario::read("test.toml", &text).unwrap();
    let (wishes, asked) = mpsc::unbounded_channel();
    let told = Rc::new(RefCell::new(Vec::new()));
    let holder = Holder {
        wishes,
        seconds: 0,
        told: told.clone(),
    };
    let options = RunOptions {
        target: Some(system.url.clone()),
        connect: ConnectOptions::default(),
        drivers: Some(2),
        seed: 1,
        out: OutFolder::claim(&folder.path().join("out")).unwrap(),
        audit: false,
        system: None,
        trace: None,
        speed: None,
        profile: false,
        observers: RunObservers {
            listeners: vec![Box::new(holder)],
            wishes: Some(asked),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();

    let report = runtime.block_on(run(scenario, options)).unwrap();

    let told = told.borrow();
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
