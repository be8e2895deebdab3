//! Tests what a build server reads of a run: thresholds that abort it, the verdict as JUnit XML, the seconds as CSV.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;

use crate::support::{Ended, Loadgen, ROOM, SmallSystem, eventually, open, script, two_workloads};

/// Thresholds in a scenario with room for a busy machine.
fn thresholds(list: &str) -> String {
    format!("thresholds = [{list}]\n{ROOM}")
}

fn file(ended: &Ended, name: &str) -> String {
    std::fs::read_to_string(ended.out.with_file_name(name)).unwrap()
}

#[test]
fn a_threshold_that_is_missed_aborts_the_run_after_its_delay_and_fails_it() {
    let system = SmallSystem::start();
    system.behaviour.failing.store(true, Ordering::SeqCst);
    let list =
        r#""error_rate < 50%", { threshold = "journeys.failed <= 1", abort = true, delay = "2s" }"#;

    let ended = Loadgen::scenario(&open(50, "60s", &thresholds(list)))
        .target(&system)
        .arguments(&["--progress", "plain", "--junit", "run.xml"])
        .run();

    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let says = "aborting: journeys.failed <= 1: it was ";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    let report = ended.report();
    let at_s = report["thresholds"][1]["aborted_at_s"].as_f64().unwrap();
    assert!((2.0..60.0).contains(&at_s), "{at_s}");
    assert!(report["duration_s"].as_f64().unwrap() < 60.0);
    let reasons = report["verdict"]["reasons"].to_string();
    assert!(reasons.contains("aborted the run"), "{reasons}");
    assert!(report["thresholds"][0].get("aborted_at_s").is_none());
    let junit = file(&ended, "run.xml");
    assert!(
        junit.contains(r#"tests="3" failures="3" errors="0""#),
        "{junit}"
    );
    assert!(junit.contains("aborted the run"), "{junit}");
}

#[test]
fn a_threshold_that_holds_aborts_nothing_and_junit_and_csv_say_what_was_measured() {
    let system = SmallSystem::start();
    let list = r#"{ threshold = "p(99) < 60s", abort = true }, { threshold = 'step["get thing"].error_rate <= 0', abort = true }"#;

    let ended = Loadgen::scenario(&open(50, "2s", &thresholds(list)))
        .target(&system)
        .arguments(&["--junit", "run.xml", "--csv", "seconds.csv"])
        .run();

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let junit = file(&ended, "run.xml");
    assert!(
        junit.contains(r#"tests="4" failures="0" errors="0" skipped="0""#),
        "{junit}"
    );
    let quoted = r#"name="step[&#34;get thing&#34;].error_rate &#60;= 0""#;
    assert!(junit.contains(quoted), "{junit}");
    let mut csv = csv::Reader::from_path(ended.out.with_file_name("seconds.csv")).unwrap();
    let columns = csv.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let column = |name: &str| {
        let index = columns.iter().position(|c| c == name).unwrap();
        rows.iter().map(move |row| row[index].to_owned())
    };
    assert!(column("step").all(|step| step == "get thing"));
    let requests: u64 = column("requests").map(|n| n.parse::<u64>().unwrap()).sum();
    assert_eq!(requests, 100);
    assert!(rows.len() >= 2, "{rows:?}");
    let p50 = column("response_time_p50_us").next().unwrap();
    assert!(p50.parse::<u64>().unwrap() > 0);
    let lengths = column("length_s")
        .map(|s| s.parse::<f64>().unwrap())
        .sum::<f64>();
    assert!(lengths >= 1.9, "{lengths}");
}

#[test]
fn each_of_several_workloads_has_a_row_a_second_of_its_own() {
    let system = SmallSystem::start();

    let ended = Loadgen::scenario(&two_workloads("2s", "1s"))
        .target(&system)
        .arguments(&["--csv", "seconds.csv"])
        .run();

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let mut csv = csv::Reader::from_path(ended.out.with_file_name("seconds.csv")).unwrap();
    let columns = csv.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let cell = |row: &csv::StringRecord, name: &str| {
        let index = columns.iter().position(|c| c == name).unwrap();
        row[index].to_owned()
    };
    let sum = |column: &str, workload: &str| -> u64 {
        let of_it = rows.iter().filter(|row| cell(row, "workload") == workload);
        of_it
            .map(|row| cell(row, column).parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(sum("journeys_completed", "fast"), 80);
    assert_eq!(sum("journeys_started", "slow"), 10);
    // Requests stand in the rows of steps only, so that their sum is the run's.
    assert_eq!(sum("requests", ""), 90);
    for row in rows.iter().filter(|row| !cell(row, "workload").is_empty()) {
        assert_eq!(
            (cell(row, "step"), cell(row, "requests")),
            Default::default()
        );
        let started = cell(row, "journeys_started") != "0";
        assert_eq!(!cell(row, "schedule_slip_p99_us").is_empty(), started);
    }
}

#[test]
fn a_missed_bound_that_nobody_wrote_is_one_failure() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(50, "2s", &thresholds("")))
        .target(&system)
        .arguments(&["--junit", "run.xml"]);
    let child = run.start();
    eventually("the first requests", || system.requests() > 10);
    system.behaviour.failing.store(true, Ordering::SeqCst);

    let ended = run.ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let reasons = ended.report()["verdict"]["reasons"].to_string();
    assert!(reasons.contains("the default bound"), "{reasons}");
    let junit = file(&ended, "run.xml");
    assert!(
        junit.contains(r#"tests="2" failures="1" errors="0""#),
        "{junit}"
    );
}

#[test]
fn a_run_that_can_not_be_carried_out_is_an_error_for_the_build_server() {
    let ended = Loadgen::scenario(&open(10, "1s", ""))
        .arguments(&["--target", "http://127.0.0.1:1", "--junit", "run.xml"])
        .run();
    assert_ne!(ended.code, 0);
    let junit = file(&ended, "run.xml");
    assert!(
        junit.contains(r#"tests="1" failures="0" errors="1""#),
        "{junit}"
    );
    assert!(junit.contains("127.0.0.1:1"), "{junit}");
}

#[test]
fn a_run_that_is_refused_leaves_no_older_result_and_is_an_error_for_the_build_server() {
    let right = open(10, "1s", "");
    let feeder = "[[feeders]]\nname = \"row\"\npick = \"random\"\ncsv = \"away.csv\"\n[[journeys]]";
    let target = ["--target", "http://127.0.0.1:1"].as_slice();
    let rows: [(String, &[&str], &str); 6] = [
        (right.replace("duration", "duratoin"), target, "duratoin"),
        (
            open(10, "1s", "thresholds = [\"p(101) < 1s\"]"),
            target,
            "p(101)",
        ),
        (right.replace("[[journeys]]", feeder), target, "away.csv"),
        (
            right.clone(),
            &[target, &["--users", "5"]].concat(),
            "--users",
        ),
        (right.clone(), &["--agents", "10.0.0.7:1"], "--agents"),
        (right.clone(), &["--system-bin", "away"], "--system-bin"),
    ];
    for (text, arguments, says) in rows {
        let run = Loadgen::scenario(&text).arguments(arguments);
        let run = run.arguments(&["--progress", "json", "--junit", "run.xml", "--csv", "s.csv"]);
        for older in ["run.xml", "s.csv"] {
            std::fs::write(run.folder.path().join(older), "older").unwrap();
        }

        let ended = run.run();

        assert_eq!(ended.code, 2, "{says}: {}", ended.stderr);
        let junit = file(&ended, "run.xml");
        let one = r#"tests="1" failures="0" errors="1""#;
        assert!(junit.contains(one) && junit.contains(says), "{junit}");
        let csv = file(&ended, "s.csv");
        assert!(
            csv.starts_with("start_s,") && csv.lines().count() == 1,
            "{csv}"
        );
        let failed: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(failed["event"], "failed", "{failed}");
        let problem = failed["problem"].as_str().unwrap();
        assert!(problem.contains(says), "{problem}");
    }
}

#[test]
fn a_file_that_can_not_be_written_is_refused_before_anything_is_driven() {
    let system = SmallSystem::start();
    for option in ["--junit", "--csv"] {
        let ended = Loadgen::scenario(&open(10, "1s", ""))
            .target(&system)
            .arguments(&[option, "nowhere/file"])
            .run();
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        let says = format!("{option} nowhere/file");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    }
    assert_eq!(system.requests(), 0);
}

/// A script of the action, with loadgen and this environment, in a folder of its own.
fn action(folder: &Path, script: &str, environment: &[(&str, &str)]) -> Output {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/github-action");
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .arg(format!("{scripts}/{script}"))
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("LOADGEN", env!("CARGO_BIN_EXE_loadgen"))
        .env("OUT", "out")
        .env("SCENARIO", "test.toml")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_action_measures_in_turns_compares_and_comments() {
    let (candidate, baseline) = (SmallSystem::start(), SmallSystem::start());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = open(50, "1s", &thresholds("\"error_rate < 1%\""));
    std::fs::write(folder.join("test.toml"), text).unwrap();
    // In the place of GitHub's program: it notes what it is asked, and what it is given.
    let gh = "echo \"$*\" >> calls\ncase \"$*\" in *PATCH*|*POST*) cat \"${7#body=@}\" >> posted ;; *) echo 7 ;; esac";
    script(&folder.join("gh"), gh);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();

    let ran = action(
        folder,
        "run.sh",
        &[
            ("TARGET", &candidate.url),
            ("BASELINE_TARGET", &baseline.url),
            ("ARGUMENTS", "--rate 40"),
            ("GITHUB_STEP_SUMMARY", "summary"),
            ("GITHUB_OUTPUT", "output"),
        ],
    );
    let commented = action(folder, "comment.sh", &[("NUMBER", "5"), ("GH_REPO", "o/r")]);

    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(read("output"), "verdict=PASS\n");
    assert!(
        candidate.requests() == 40 && baseline.requests() == 40,
        "{ran:?}"
    );
    let comparison = read("out/comparison.md");
    assert!(comparison.contains("response_time"), "{comparison}");
    assert!(read("summary").contains(&comparison), "{}", read("summary"));
    assert!(read("out/junit/candidate-1.xml").contains("<testsuite "));
    assert!(commented.status.success(), "{commented:?}");
    assert!(
        read("calls").contains("PATCH repos/o/r/issues/comments/7"),
        "{}",
        read("calls")
    );
    let posted = read("posted");
    assert!(
        posted.starts_with("<!-- loadgen: test.toml -->\n"),
        "{posted}"
    );
    assert!(posted.contains(&comparison), "{posted}");

    candidate.behaviour.failing.store(true, Ordering::SeqCst);
    let failed = action(
        folder,
        "run.sh",
        &[
            ("TARGET", &candidate.url),
            ("OUT", "failed"),
            ("GITHUB_OUTPUT", "output"),
        ],
    );
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(read("output").ends_with("verdict=FAIL\n"));
}
