//! Tests `--progress json`: one line for each event, and nothing else on standard output.

use serde_json::Value;

use crate::support::{Ended, Loadgen, SmallSystem, open};

fn run(system: &SmallSystem, arguments: &[&str]) -> Ended {
    Loadgen::scenario(&open(200, "3s", "thresholds = ['p(99) < 5s']\n"))
        .target(system)
        .arguments(arguments)
        .run()
}

fn lines(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_line_is_an_event_of_the_run_and_its_figures_add_up_to_the_reports() {
    let system = SmallSystem::start();
    let ended = run(&system, &["--progress", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let lines = lines(&ended);
    assert!(lines.iter().all(|l| l["schema"] == "loadgen-progress/1"));
    let names: Vec<&str> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["announced", "started"]);
    assert_eq!(names.last(), Some(&"judged"));
    for name in ["interval", "seen", "draining", "finished"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let intervals = || lines.iter().filter(|l| l["event"] == "interval");
    let sum = |pointer: &str| -> u64 {
        let of = |l: &Value| l.pointer(pointer).and_then(Value::as_u64).unwrap();
        intervals().map(of).sum()
    };
    let report = ended.report();
    assert_eq!(
        sum("/requests"),
        report["all_steps"]["count"].as_u64().unwrap()
    );
    assert_eq!(sum("/journeys/completed"), 600);
    assert_eq!(sum("/response_time_us/count"), 600);
    let seen = lines
        .iter()
        .rfind(|l| l["event"] == "seen" && l["thresholds"][0].is_object());
    assert_eq!(seen.unwrap()["thresholds"][0]["holds"], true);
    assert_eq!(lines.last().unwrap()["result"], "PASS");
    assert!(
        ended.stderr.contains("verdict: PASS"),
        "the tables are there"
    );
}

#[test]
fn the_report_is_the_last_line_where_both_are_asked_for() {
    let system = SmallSystem::start();
    let ended = run(&system, &["--progress", "json", "--format", "json"]);
    let lines = lines(&ended);
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "report");
    assert_eq!(last["report"], ended.report());
}

#[test]
fn a_run_without_a_report_says_why_in_its_last_line() {
    let system = SmallSystem::start();
    let set_up = "[[setup]]\nname = \"first\"\nrequest = { method = \"GET\", path = \"/thing\" }\nexpect = { status = [418] }\n";
    let run = |progress| {
        Loadgen::scenario(&(open(10, "3s", "") + set_up))
            .target(&system)
            .arguments(&["--progress", progress])
            .run()
    };
    let (ended, for_people) = (run("json"), run("plain"));
    assert_eq!((ended.code, for_people.code), (1, 1));
    let says = "verdict: FAIL\n  the set-up failed: there is no report\n";
    assert_eq!(for_people.stdout, says);
    let lines = lines(&ended);
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "failed");
    let problem = last["problem"].as_str().unwrap();
    assert!(
        problem.contains("set-up step `first`: GET /thing: status "),
        "{problem}"
    );
}
