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
            "none",
        ])
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let says = format!("no --target is given: starting {} up", path.display());
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(
        arguments.starts_with("up --listen 127.0.0.1:0 --durability none --data-dir /"),
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
    assert!(
        ended.stderr.contains("\n  no Redis here"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_system_that_ends_during_the_run_says_its_last_lines_in_the_report() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let body = format!(
        "echo 'ready: {} (and more)'\nsleep 0.5\necho 'out of tea' >&2\nexit 9",
        system.url
    );
    let path = program(folder.path(), &body);
    let ended = Loadgen::scenario(&open(50, "1500ms", ""))
        .arguments(&["--system-bin", path.to_str().unwrap()])
        .run();
    let warnings = ended.report()["warnings"].to_string();
    for part in ["before the end of the run", "exit status: 9", "out of tea"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn what_is_exported_for_something_else_does_not_reach_the_system() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(
        folder.path(),
        &format!("env > environment\n{}", waiting(&system.url)),
    );
    let run = Loadgen::scenario(&open(50, "200ms", "")).arguments(&[
        "--system-bin",
        path.to_str().unwrap(),
        "--system-env",
        "GIVEN=yes",
    ]);
    let mut command = run.command();
    command
        .envs([
            ("THREADS", "7"),
            ("REDIS_URL", "redis://h:1"),
            ("RUST_LOG", "x"),
        ])
        .env("LC_ALL", "C");

    let output = command.output().unwrap();
    let ended = run.ended(output);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let environment = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    let has = |name: &str| environment.lines().any(|line| line.starts_with(name));
    for kept in ["PATH=/", "LC_ALL=C", "GIVEN=yes"] {
        assert!(has(kept), "{kept}: {environment}");
    }
    for not_kept in ["THREADS=", "REDIS_URL=", "RUST_LOG="] {
        assert!(!has(not_kept), "{not_kept}: {environment}");
    }
    let started = ended.report()["environment"]["system_command"].to_string();
    assert!(started.starts_with("\"env GIVEN=yes /"), "{started}");
}

#[test]
fn what_is_asked_of_a_system_must_be_what_it_says_and_must_be_able_to_have_an_effect() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(folder.path(), &waiting(&system.url));
    let path = path.to_str().unwrap();
    for (arguments, says) in [
        (
            &["--system-bin", path, "--durability", "always"][..],
            "`always` was asked for, but the system says that it has `none`",
        ),
        (
            &["--system-bin", path, "--redis", "redis-server"],
            "Redis `redis",
        ),
        (
            &["--system-bin", path, "--processes"],
            "processes `yes` was asked for, but the system says that it has `no`",
        ),
        (
            &["--system-bin", path, "--system-env", "THREADS=2"],
            "threads `2` was asked for, but the system says that it has `3`",
        ),
        (
            &["--system-bin", path, "--redis", "/bin/echo"],
            "no Redis or Valkey server",
        ),
        (
            &["--system-bin", path, "--system-env", "DATA_DIR=/tmp"],
            "data folder of its own",
        ),
        (
            &["--target", &system.url, "--durability", "none"],
            "--durability is for a system that is started here",
        ),
        (
            &["--target", &system.url, "--processes"],
            "--processes is for a system that is started here",
        ),
        (
            &["--target", &system.url, "--redis", "redis-server"],
            "--redis is for a system that is started here",
        ),
    ] {
        let ended = Loadgen::scenario(&open(50, "1s", ""))
            .arguments(arguments)
            .run();
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
}

#[test]
fn a_scenario_says_with_which_durability_its_system_is_started_and_the_option_says_it_first() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let path = program(folder.path(), &waiting(&system.url));
    let scenario = open(5, "200ms", "durability = \"always\"");
    for (option, durability) in [(&[][..], "always"), (&["--durability", "none"], "none")] {
        let run = Loadgen::scenario(&scenario);
        let arguments = [&["--system-bin", path.to_str().unwrap()], option].concat();
        run.arguments(&arguments).run();
        let started = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
        let expected = format!("--durability {durability} ");
        assert!(started.contains(&expected), "{started}");
    }
}
