//! The system as a child process, replaced by a script: started with its options, found by its ready line, stopped in order.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::path::Path;

use support::{Loadgen, ROOM, SmallSystem, eventually, exists, open, program, signal, waiting};

#[test]
fn the_system_is_started_on_a_free_port_and_stopped_after_the_run() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(folder.path(), &waiting(&system.url));
    let run = Loadgen::scenario(&open(50, "1s", ""));
    let ended = run
        .arguments(&[
            "--system-bin",
            path.to_str().unwrap(),
            "--durability",
            "always",
        ])
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(
        arguments.starts_with("up --listen 127.0.0.1:0 --durability always --data-dir /"),
        "{arguments}"
    );
    assert!(
        folder.path().join("stopped").is_file(),
        "asked to stop, not killed"
    );
    assert_eq!(
        std::fs::read_to_string(ended.out.join("ordershop.log")).unwrap(),
        "a line of its log\n"
    );
    assert_eq!(ended.report()["environment"]["target_started"], true);
    assert!(ended.report()["system_cpu_pct"].is_number());
}

#[test]
fn ctrl_c_stops_the_system_too_after_the_report() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(folder.path(), &waiting(&system.url));
    let run = Loadgen::scenario(&open(50, "60s", ""))
        .arguments(&["--system-bin", path.to_str().unwrap()]);
    let child = run.start();
    eventually("the first requests", || system.requests() > 10);
    signal(&child, "INT");
    let ended = run.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.report()["journeys"]["started"], system.requests());
    assert!(folder.path().join("stopped").is_file());
}

#[test]
fn a_killed_loadgen_takes_its_system_and_its_folder_with_it() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(folder.path(), &waiting(&system.url));
    let run = Loadgen::scenario(&open(50, "60s", ""))
        .arguments(&["--system-bin", path.to_str().unwrap()]);
    let mut child = run.start();
    eventually("the first requests", || system.requests() > 10);
    let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
    let data = arguments.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(Path::new(&data).is_dir(), "{arguments}");

    signal(&child, "KILL");

    child.wait().unwrap();
    eventually("its end", || exists(folder.path(), "stopped"));
    eventually("the folder is removed", || !Path::new(&data).exists());
}

#[cfg(target_os = "linux")] // GNU env sets what a signal does
#[test]
fn a_closed_terminal_and_ctrl_backslash_end_the_run_with_its_report_and_the_system() {
    for name in ["HUP", "QUIT"] {
        let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
        let path = program(folder.path(), &waiting(&system.url));
        let run = Loadgen::scenario(&open(50, "60s", ""))
            .arguments(&["--system-bin", path.to_str().unwrap()])
            .through(&["env", "--default-signal=HUP,QUIT"]);
        let child = run.start();
        eventually("the first requests", || system.requests() > 10);
        signal(&child, name);
        if name == "HUP" {
            // The shell and the kernel both send it.
            signal(&child, name);
        }
        let ended = run.ended(child.wait_with_output().unwrap());
        assert_eq!(ended.report()["journeys"]["started"], system.requests());
        assert!(exists(folder.path(), "stopped"), "{name}");
    }
}

#[cfg(target_os = "linux")] // GNU env sets what a signal does
#[test]
fn a_run_that_nohup_has_started_outlives_the_terminal() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(50, "2s", ROOM))
        .target(&system)
        .through(&["env", "--ignore-signal=HUP"]);
    let child = run.start();
    eventually("the first requests", || system.requests() > 10);
    signal(&child, "HUP");
    let ended = run.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let warnings = ended.report()["warnings"].to_string();
    assert!(!warnings.contains("stopped"), "{warnings}");
}

#[test]
fn a_system_that_ends_before_it_is_ready_is_bad_input_with_the_place_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = program(folder.path(), "echo 'no Redis here' >&2\nexit 7");
    let ended = Loadgen::scenario(&open(50, "1s", ""))
        .arguments(&["--system-bin", path.to_str().unwrap()])
        .run();
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("exit status: 7") && ended.stderr.contains("ordershop.log"),
        "{}",
        ended.stderr
    );
}
