//! Output that goes nowhere ends no run: a reader that has gone, a full disk, a terminal that was closed; and a folder that is somebody
//! else's is left alone.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Loadgen, ROOM, SmallSystem, exists, open};

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// The writing end of a pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn loadgen(arguments: &[&str], stdout: Stdio) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .stdout(stdout)
        .output()
        .unwrap()
}

#[test]
fn a_run_goes_on_when_nobody_reads_what_it_writes() {
    let system = SmallSystem::start();
    for progress in ["plain", "json"] {
        let run = Loadgen::scenario(&open(20, "1s", ROOM))
            .target(&system)
            .arguments(&["--progress", progress]);
        let mut command = run.command();
        let output = command.stdout(closed()).stderr(full()).output().unwrap();
        let ended = run.ended(output);
        assert_eq!(ended.code, 0, "{progress}");
        assert_eq!(ended.report()["verdict"]["result"], "PASS");
    }
}

#[test]
fn standard_output_that_is_lost_has_an_exit_code_of_its_own() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
    let output = run.command().stdout(full()).output().unwrap();
    let ended = run.ended(output);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(exists(&ended.out, "report.json"));

    for arguments in [
        &["list"][..],
        &["schema"],
        &["check", "checkout"],
        &["--help"],
    ] {
        let lost = loadgen(arguments, full());
        let told = String::from_utf8_lossy(&lost.stderr);
        assert_eq!(lost.status.code(), Some(5), "{arguments:?}: {told}");
        assert!(told.contains("standard output can't be written"), "{told}");
        let unread = loadgen(arguments, closed());
        assert_eq!(unread.status.code(), Some(0), "{arguments:?}: {unread:?}");
    }
}

#[test]
fn comparisons_that_are_lost_have_an_exit_code_of_their_own_and_unread_ones_their_verdicts() {
    let system = SmallSystem::start();
    let run = |number: usize| {
        let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
        let ended = run.arguments(&["--seed", &number.to_string()]).run();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended
    };
    let runs = [1, 2].map(run);
    let folders = [0, 1].map(|at| runs[at].out.to_str().unwrap());
    let [compare_report, loadgen] = [
        env!("CARGO_BIN_EXE_compare-report"),
        env!("CARGO_BIN_EXE_loadgen"),
    ];
    for command in [&[compare_report][..], &[loadgen, "compare"]] {
        let code = |stdout: Stdio| {
            let mut compare = Command::new(command[0]);
            compare.args(&command[1..]).args(folders).stdout(stdout);
            compare.output().unwrap().status.code()
        };
        assert_eq!(code(full()), Some(5), "{command:?}");
        // One run a side tells nothing.
        assert_eq!(code(closed()), Some(3), "{command:?}");
    }
}

#[test]
fn logs_that_can_not_be_written_during_a_run_take_neither_its_figures_nor_its_verdict() {
    let system = SmallSystem::start();
    // As on a full disk, nothing can be written to a file.
    let no_room = "ulimit -f 0; exec \"$@\"";
    let ended = Loadgen::scenario(&open(20, "2s", ROOM))
        .target(&system)
        .through(&["env", "--ignore-signal=XFSZ", "sh", "-c", no_room, "sh"])
        .run();
    assert_eq!(ended.code, 5, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("| get thing"), "{}", ended.stdout);
    for said in [
        "warning: intervals are missing from the interval logs",
        "verdict: PASS",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let says = ended.stderr.contains("the report can't be written to");
    assert!(says, "{}", ended.stderr);
}

#[test]
fn a_report_that_can_not_be_written_is_shown_all_the_same() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
    // As on a full disk, the file can't be written; the folder can.
    std::fs::create_dir_all(run.out().join("report.json.part")).unwrap();
    let ended = run.run();
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stdout.contains("| get thing"), "{}", ended.stdout);
    assert!(ended.stdout.contains("verdict: PASS"), "{}", ended.stdout);
    let says = ended.stderr.contains("the report can't be written to");
    assert!(says, "{}", ended.stderr);
}

#[test]
fn a_verdict_that_the_build_server_does_not_get_is_no_pass() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
    let ended = run.arguments(&["--junit", "/dev/full"]).run();
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stdout.contains("verdict: PASS"), "{}", ended.stdout);
    let says = ended.stderr.contains("--junit /dev/full: can't be written");
    assert!(says, "{}", ended.stderr);
}

#[test]
fn beside_a_folder_that_holds_a_report_a_run_has_one_of_its_own() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
    std::fs::create_dir(run.out()).unwrap();
    std::fs::write(run.out().join("report.json"), "the first").unwrap();
    let ended = run.run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let own = ended.out.with_file_name("out-2");
    assert!(
        ended.stderr.contains(&own.display().to_string()),
        "{}",
        ended.stderr
    );
    assert!(exists(&own, "report.json"));
    let first = std::fs::read_to_string(ended.out.join("report.json")).unwrap();
    assert_eq!(first, "the first");
}

#[test]
fn runs_that_begin_in_one_second_have_a_folder_each() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(20, "1s", ROOM));
    let start = |_| {
        Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(["run", "test.toml", "--target", &system.url])
            .current_dir(run.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut child in [1, 2, 3].map(start) {
        child.wait().unwrap();
    }
    let folders = std::fs::read_dir(run.folder.path().join("reports/runs")).unwrap();
    let written = folders.filter(|f| exists(&f.as_ref().unwrap().path(), "report.json"));
    assert_eq!(written.count(), 3);
}

#[test]
fn a_target_that_never_answers_is_waited_for_once_before_the_start_and_the_wait_is_told() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", target.local_addr().unwrap());
    std::thread::spawn(move || {
        // Kept: one that is dropped is closed.
        let kept: Vec<_> = target.incoming().collect();
        drop(kept);
    });
    let limits = "[limits]\nrequest_timeout = \"500ms\"\n";
    let start = Instant::now();

    let ended = Loadgen::scenario(&open(5, "2s", limits))
        .arguments(&["--target", &url, "--progress", "plain"])
        .run();

    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let says = "waiting for the target's answers at /health and /metrics, 5s at most";
    assert_eq!(ended.stderr.matches("waiting for").count(), 1);
    let (waiting, started) = (ended.stderr.find(says), ended.stderr.find("started"));
    assert!(waiting.is_some() && waiting < started, "{}", ended.stderr);
    // 5 s of probes and 2.5 s of journeys; a second wait would be 5 s more.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?}: {}", ended.stderr);
}
