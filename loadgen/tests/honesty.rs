//! A generator on an overloaded machine says so, instead of reporting the machine's delays as the target's figures.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../testing/clock.rs"]
mod clock;
#[path = "support/program.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::Clock;
use support::{Ended, Loadgen, SmallSystem, eventually, open, program, waiting};

/// Threads that use all of the machine's CPU until this is dropped.
struct Busy {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Several threads per core, so that no core is left for others.
    fn machine() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().unwrap().get();
        let spin = |_| {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..4 * cores).map(spin).collect();
        Self { over, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|t| t.join().unwrap());
    }
}

/// The default limits.
const LIMITS: &str = "[limits]\nslip_p99_max = \"50ms\"\nloop_stall_p99_max = \"100ms\"\n";

/// The generator has the lowest priority, as on a machine whose other programs matter more.
const LAST: [&str; 3] = ["nice", "-n", "19"];

fn reasons(ended: &Ended) -> String {
    ended.report()["verdict"]["reasons"].to_string()
}

/// Longer than the runs below drive. Start and report need no busy machine: they would take minutes on one.
const DISTURBED: Duration = Duration::from_secs(3);

/// Runs it on a machine that is busy from its first request on.
fn run_on_a_busy_machine(scenario: &str) -> Ended {
    let system = SmallSystem::start();
    let loadgen = Loadgen::scenario(scenario).target(&system).through(&LAST);
    let child = loadgen.start();
    eventually("the first request", || system.requests() > 0);
    let busy = Busy::machine();
    std::thread::sleep(DISTURBED);
    drop(busy);
    let output = child.wait_with_output().unwrap();
    loadgen.ended(output)
}

#[test]
fn on_a_machine_that_is_too_busy_an_open_run_is_invalid() {
    let ended = run_on_a_busy_machine(&open(2_000, "2s", LIMITS));
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        reasons(&ended).contains("core of its own"),
        "it says what to do: {}",
        reasons(&ended)
    );
}

#[test]
fn on_a_machine_that_is_too_busy_a_closed_run_is_invalid_too() {
    let text = open(1, "2s", LIMITS).replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 8",
    );
    let ended = run_on_a_busy_machine(&text);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(
        reasons(&ended).contains("the machine was too busy"),
        "{}",
        reasons(&ended)
    );
}

#[test]
fn a_run_in_which_the_wall_clock_is_set_back_is_invalid() {
    let Some(clock) = Clock::new() else {
        return;
    };
    let system = SmallSystem::start();
    let variables = clock.variables().into_iter();
    let variables: Vec<_> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let through = [
        &["env"],
        &variables.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat();
    let loadgen = Loadgen::scenario(&open(100, "2s", ""))
        .target(&system)
        .through(&through);
    let child = loadgen.start();
    eventually("some requests", || system.requests() > 10);
    clock.set_back(Duration::from_secs(1));
    let ended = loadgen.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    let said = reasons(&ended);
    assert!(said.contains("the wall clock jumped by"), "{said}");
}

#[test]
fn a_search_for_the_capacity_does_not_take_the_neighbours_work_for_the_targets_limit() {
    // The system sustains 50/s: 10 in flight, 200 ms each.
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    system.behaviour.delay_ms.store(200, Ordering::SeqCst);
    let program = program(folder.path(), &waiting(&system.url));
    let limits =
        "[limits]\nin_flight_max = 10\nslip_p99_max = \"1m\"\nloop_stall_p99_max = \"1m\"\n";
    let scenario = folder.path().join("gets.toml");
    std::fs::write(&scenario, open(100, "1m", limits)).unwrap();
    let out = folder.path().join("out");
    let busy = Busy::machine();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("capacity")
        .arg(&scenario)
        .arg("--system-bin")
        .arg(&program)
        .arg("--out")
        .arg(&out)
        .args(["--probe-duration", "5s", "--warm-up", "0s"])
        .output()
        .unwrap();
    drop(busy);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("can't tell, other programs disturbed too many probes"),
        "{said}"
    );
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(out.join(path)).unwrap()).unwrap()
    };
    let found = read("capacity.json");
    assert_eq!(found["result"], "DISTURBED");
    let probes = found["probes"].as_array().unwrap();
    let disturbed = probes.iter().filter(|p| p["judged"] == "DISTURBED");
    assert_eq!(disturbed.count(), 3, "{said}");
    // The report of a probe's run says it too.
    let folder = probes[0]["folder"].as_str().unwrap();
    let warnings = read(&format!("{folder}/report.json"))["warnings"].to_string();
    assert!(
        warnings.contains("the figures are theirs too"),
        "{warnings}"
    );
}

#[test]
fn a_generator_without_descriptors_for_its_connections_is_invalid_and_blames_itself() {
    let system = SmallSystem::start();
    system.behaviour.delay_ms.store(500, Ordering::SeqCst);
    let ended = Loadgen::scenario(&open(100, "1s", ""))
        .target(&system)
        .through(&["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh"])
        .run();
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    assert!(
        reasons(&ended).contains("no descriptor"),
        "{}",
        reasons(&ended)
    );
    assert!(ended.report()["generator"]["own_errors"].as_u64().unwrap() > 0);
}
