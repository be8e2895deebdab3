//! A run whose rate is held while drivers follow it, through the library, in the same way as by the screen's key.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use loadgen::agents::{Agents, AgentsOptions};
use loadgen::out_folder::OutFolder;
use loadgen::run::{RunObservers, RunOptions, run};
use loadgen::run_event::{Listener, RunEvent, Wish};
use loadgen_engine::http_client::ConnectOptions;
use loadgen_report::Report;
use tokio::sync::mpsc;

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

/// Runs a scenario with two drivers, here or of each agent. Returns its report, and what was told of holds.
pub fn held(
    text: &str,
    target: &str,
    agents: Option<AgentsOptions>,
    folder: &Path,
) -> (Report, Vec<String>) {
    let scenario = loadgen_scenario::read("test.toml", text).unwrap();
    let (wishes, asked) = mpsc::unbounded_channel();
    let told = Rc::new(RefCell::new(Vec::new()));
    let holder = Holder {
        wishes,
        seconds: 0,
        told: told.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let take = |options| Arc::new(runtime.block_on(Agents::take(options)).unwrap());
    let options = RunOptions {
        target: Some(target.to_owned()),
        connect: ConnectOptions::default(),
        agents: agents.map(take),
        drivers: Some(2),
        seed: 1,
        out: OutFolder::claim(&folder.join("out")).unwrap(),
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
    let report = runtime.block_on(run(scenario, options)).unwrap();
    let told = told.borrow().clone();
    (report, told)
}
