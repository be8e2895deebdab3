//! Several workloads in one scenario: each by its own clock, counted apart and together.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::journeys::ROOM;
use crate::service::{Folder, Service, ended};

const READS: &str = "[[workloads]]\nname = \"reads\"\njourneys = { read = 1 }\nkind = \"open\"\nrate = 100\nduration = \"1s\"\n";
const WRITES: &str = "[[workloads]]\nname = \"writes\"\njourneys = { write = 1 }\nkind = \"closed\"\nusers = 2\nduration = \"1s\"\n";
const JOURNEYS: &str = r#"
[[journeys]]
name = "read"
steps = [{ name = "read", request = { method = "GET", path = "/read" } }]
[[journeys]]
name = "write"
steps = [{ name = "write", request = { method = "POST", path = "/write", text = "x" } }]
"#;

/// A scenario of these workloads, in line 10 and those after it.
fn scenario(thresholds: &str, workloads: &str) -> String {
    format!(
        "name = \"t\"\ndescription = \"d\"\nthresholds = [{thresholds}]\n{ROOM}\n{workloads}{JOURNEYS}"
    )
}

fn workload<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut workloads = report["workloads"].as_array().unwrap().iter();
    workloads.find(|w| w["name"] == name).unwrap()
}

fn count(workload: &Value, figure: &str) -> u64 {
    workload["journeys"][figure].as_u64().unwrap()
}

/// Waits for another request; a bound keeps a broken test from hanging.
fn wait_until(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(2));
    }
    condition()
}

#[test]
fn an_open_and_a_closed_workload_run_side_by_side_and_are_counted_apart_and_together() {
    for drivers in ["1", "2"] {
        let service = Service::start_waiting(|asked| {
            if asked.method == "POST" {
                std::thread::sleep(Duration::from_millis(20));
            }
            (200, String::new())
        });
        let thresholds = r#"'workload["reads"].started == 100', 'workload["writes"].completed > 0', 'workload["reads"].p(99) < 60s', 'schedule_slip["reads"].p(99) < 60s', 'workload["reads"].per_s over 1s > 0'"#;
        let text = scenario(thresholds, &format!("{READS}{WRITES}"));
        let folder = Folder::new().with("test.toml", &text);

        let ended = folder.run("test.toml", &service, &["--drivers", drivers]);

        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        let report = folder.report();
        let (reads, writes) = (workload(&report, "reads"), workload(&report, "writes"));
        assert_eq!(count(reads, "completed"), 100);
        assert_eq!(service.count("GET /read"), 100);
        let written = service.count("POST /write");
        assert_eq!(count(writes, "completed"), written as u64);
        // A user who waits 20 ms for each answer writes fifty times a second at most, and each ends its last journey after the end.
        assert!(written > 0 && written <= 102, "{written}");
        let all = &report["journeys"];
        assert_eq!(all["completed"], 100 + written);
        assert_eq!(
            all["started"],
            count(reads, "started") + count(writes, "started")
        );
        assert_eq!(reads["response_time_us"]["count"], 100);
        assert_eq!(reads["schedule_slip_us"]["count"], 100);
        assert_eq!(reads["asked"]["rate"], 100.0);
        assert_eq!(writes["asked"]["rate"], Value::Null);
        assert_eq!(report["workload"]["kind"], "mixed");
        let points = report["series"]["points"].as_array().unwrap();
        let sum = |of: usize, figure: &str| -> f64 {
            let points = points
                .iter()
                .filter_map(|p| p["workloads"][of][figure].as_f64());
            points.sum()
        };
        assert_eq!(
            (sum(0, "completed"), sum(1, "completed")),
            (100.0, written as f64)
        );
        assert!(
            (99.0..=101.0).contains(&sum(0, "asked")),
            "{}",
            sum(0, "asked")
        );
        let shown = |file: &str| std::fs::read_to_string(folder.0.path().join("out").join(file));
        let summary = shown("summary.md").unwrap();
        assert!(
            summary.contains("Workloads") && summary.contains("writes"),
            "{summary}"
        );
        assert!(
            shown("report.html")
                .unwrap()
                .contains("id=\"workloads-over-time\"")
        );
        assert!(ended.stderr.contains("(reads "), "{}", ended.stderr);
    }
}

#[test]
fn writes_that_hang_neither_delay_nor_drop_a_read() {
    // No write is answered before the last read has come; as many hang as may be in flight of one workload.
    let reads = Arc::new(AtomicUsize::new(0));
    let seen = reads.clone();
    let service = Service::start_waiting(move |asked| {
        if asked.method == "GET" {
            seen.fetch_add(1, Ordering::SeqCst);
        } else if !wait_until(|| seen.load(Ordering::SeqCst) == 50) {
            return (500, String::new());
        }
        (200, String::new())
    });
    let reads = READS.replace("rate = 100", "rate = 50");
    let writes = WRITES.replace("users = 2", "users = 60");
    let text = scenario(
        r#"'workload["reads"].dropped == 0', "journeys.failed == 0""#,
        &format!("{writes}{reads}"),
    )
    .replace("[limits]\n", "[limits]\nin_flight_max = 60\n");
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &["--drivers", "1"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert_eq!(count(workload(&report, "reads"), "completed"), 50);
    assert!(count(workload(&report, "writes"), "completed") >= 60);
}

#[test]
fn a_workload_starts_after_its_delay_and_its_figures_are_of_its_own_time() {
    let first = Arc::new(Mutex::new(None::<SystemTime>));
    let seen = first.clone();
    let service = Service::start(move |asked| {
        if asked.method == "POST" {
            seen.lock().unwrap().get_or_insert_with(SystemTime::now);
        }
        (200, String::new())
    });
    let late = WRITES.replace(
        "kind = \"closed\"\nusers = 2\nduration = \"1s\"",
        "kind = \"open\"\nstart_after = \"600ms\"\nwarm_up = \"200ms\"\nrate = 50\nduration = \"400ms\"",
    );
    let text = scenario(
        "'workload[\"writes\"].started == 10'",
        &format!("{READS}{late}"),
    );
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert_eq!(
        (service.count("GET /read"), service.count("POST /write")),
        (100, 20)
    );
    let first = first.lock().unwrap().unwrap();
    let first_s = first
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let after_s = first_s - report["started_at"].as_f64().unwrap();
    // Its clock is the wall clock, which may be slewed meanwhile.
    assert!(after_s > 0.59, "{after_s}");
    let writes = workload(&report, "writes");
    assert_eq!(writes["start_after_s"], 0.6);
    assert_eq!(
        writes["asked"]["description"],
        "open: 50/s for 400ms, after 600ms"
    );
    let measured_s = writes["measured_s"].as_f64().unwrap();
    let per_s = writes["journeys"]["per_s"].as_f64().unwrap();
    assert!(
        (per_s * measured_s - 10.0).abs() < 0.1,
        "{per_s} × {measured_s}"
    );
}

#[test]
fn workloads_that_run_one_journey_draw_random_values_of_their_own() {
    let service = Service::start(|_| (200, String::new()));
    let again = READS.replace("\"reads\"", "\"again\"");
    let users = WRITES.replace("write =", "read =");
    let text = scenario("", &format!("{READS}{again}{users}"));
    let (kept, _) = text.rsplit_once("[[journeys]]").unwrap();
    let text = kept.replace("\"/read\"", "\"/{{uuid}}\"");
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &["--drivers", "2"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    let different: HashSet<&str> = asked.iter().map(|a| a.path.as_str()).collect();
    assert!(asked.len() > 200, "{}", asked.len());
    assert_eq!(different.len(), asked.len());
}

#[test]
fn a_feeder_without_values_ends_its_own_workload_only() {
    let service = Service::start(|_| (200, String::new()));
    let feeder =
        "[[feeders]]\nname = \"n\"\nitems = [1, 2, 3]\npick = \"sequential\"\nat_end = \"stop\"\n";
    let text = scenario("", &format!("{READS}{WRITES}{feeder}"));
    let text = text.replace("text = \"x\"", "text = \"{{n}}\"");
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &["--drivers", "1"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        (service.count("GET /read"), service.count("POST /write")),
        (100, 3)
    );
    let warnings = folder.report()["warnings"].to_string();
    assert!(
        warnings.contains("no more journeys of `writes` were started"),
        "{warnings}"
    );
}

#[test]
fn a_threshold_is_of_its_workload_alone() {
    let service = Service::start(|asked| match asked.method.as_str() {
        "GET" => (200, String::new()),
        _ => (500, String::new()),
    });
    let thresholds = r#"'workload["reads"].failed == 0', 'workload["writes"].error_rate < 1%', "journeys.error_rate < 99%""#;
    let writes = WRITES.replace("duration", "think_time = \"50ms\"\nduration");
    let text = scenario(thresholds, &format!("{READS}{writes}"));
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &service, &["--progress", "json"]);

    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let lines = ended.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done = lines
        .filter(|line| line["event"] == "interval")
        .map(|line| {
            let counts = [0, 1].map(|of| count(&line["workloads"][of], "completed"));
            assert_eq!(line["workloads"][1]["name"], "writes");
            counts[0] - counts[1]
        });
    assert_eq!(done.sum::<u64>(), 100, "reads completed, and no write");
    let held = |of: usize| folder.report()["thresholds"][of]["passed"].clone();
    assert_eq!(
        (held(0), held(1), held(2)),
        (true.into(), false.into(), true.into())
    );
}

#[test]
fn an_interrupted_run_reports_what_each_workload_did() {
    let service = Service::start(|_| (200, String::new()));
    let later = "[[workloads]]\nname = \"later\"\njourneys = { write = 1 }\nkind = \"open\"\nstart_after = \"1h\"\nrate = 1\nduration = \"1h\"\n";
    let workloads = format!("{READS}{WRITES}{later}").replace("\"1s\"", "\"1h\"");
    let folder = Folder::new().with("test.toml", &scenario("", &workloads));
    let arguments = ["run", "test.toml", "--target", &service.url, "--out", "out"];
    let child = folder.start(&arguments);
    let begun = || service.count("GET /read") > 10 && service.count("POST /write") > 10;
    assert!(wait_until(begun), "both began");

    let pid = child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    let ended = ended(child.wait_with_output().unwrap());

    assert!(kill.unwrap().success());
    assert_eq!(ended.code, 4, "{}{}", ended.stdout, ended.stderr);
    let report = folder.report();
    assert_eq!(report["verdict"]["result"], "INTERRUPTED");
    let completed =
        ["reads", "writes", "later"].map(|name| count(workload(&report, name), "completed"));
    let asked = ["GET /read", "POST /write"].map(|line| service.count(line) as u64);
    assert_eq!(completed, [asked[0], asked[1], 0]);
    assert_eq!(report["journeys"]["completed"], asked[0] + asked[1]);
}

#[test]
fn the_command_line_changes_a_workload_by_its_name() {
    let service = Service::start(|_| (200, String::new()));
    let later = WRITES.replace("kind", "start_after = \"1s\"\nkind");
    let text = scenario("", &format!("{READS}{later}"));
    let folder = Folder::new().with("test.toml", &text);
    let changes = [
        "--rate",
        "reads=20",
        "--users",
        "writes=1",
        "--duration",
        "1s",
    ];

    let ended = folder.run("test.toml", &service, &changes);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        folder.report()["workload"]["description"],
        "reads: open: 20/s for 500ms; writes: closed: 1 users, think time none, for 500ms, after 500ms"
    );
    assert_eq!(service.count("GET /read"), 10);
    for (arguments, says) in [
        (
            &["--rate", "20"][..],
            "write --rate NAME=N with one of: reads, writes",
        ),
        (
            &["--users", "2"],
            "write --users NAME=N with one of: reads, writes",
        ),
        (
            &["--rate", "reed=20"],
            "no such workload; allowed: reads, writes",
        ),
        (
            &["--rate", "writes=20"],
            "closed workload; its users set the rate",
        ),
        (&["--users", "reads=2"], "no closed workload"),
        (&["--rate", "reads=0"], "above 0"),
    ] {
        let ended = folder.run("test.toml", &service, arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.flat().contains(says), "{says}: {}", ended.stderr);
    }
}

#[test]
fn what_needs_one_workload_refuses_several_and_says_so() {
    let service = Service::start(|_| (200, String::new()));
    let text = scenario("", &format!("{READS}{WRITES}"));
    let folder = Folder::new().with("test.toml", &text);
    let capacity = folder.loadgen(&["capacity", "test.toml", "--target", &service.url]);
    assert_eq!(capacity.code, 2);
    assert!(
        capacity.flat().contains("has several workloads"),
        "{}",
        capacity.stderr
    );
    for out in ["a", "b"] {
        let arguments = ["run", "test.toml", "--target", &service.url, "--out", out];
        let ended = folder.loadgen(&[&arguments[..], &["--duration", "200ms"]].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let merged = folder.loadgen(&["report", "a", "b", "--out", "c"]);
    assert_eq!(merged.code, 2);
    assert!(
        merged
            .flat()
            .contains("runs of [[workloads]] can't be merged"),
        "{}",
        merged.stderr
    );

    let compared = folder.loadgen(&["compare", "a", "b", "--format", "json"]);
    assert!(
        compared.stdout.contains(r#"workload[\"reads\"].per_s"#),
        "{}",
        compared.stdout
    );
    assert!(
        compared.stdout.contains(r#"workload[\"writes\"].p99"#),
        "{}",
        compared.stdout
    );
}

#[test]
fn check_tells_each_workload() {
    let text = scenario("", &format!("{READS}{WRITES}"));
    let ended = Folder::new()
        .with("test.toml", &text)
        .loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for line in [
        "t: 2 workloads",
        "workload reads: open: 100/s for 1s",
        "arrivals: 100; requests: 100",
        "workload writes: closed: 2 users",
        "journey write: 100 % of the journeys",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn workloads_that_do_not_fit_together_are_refused_with_their_line_and_what_is_allowed() {
    let both = format!("{READS}{WRITES}");
    for (text, line, says) in [
        (scenario("", ""), 1, "[[workloads]], each with a `name`"),
        (
            scenario(
                "",
                &format!("{both}[workload]\nkind = \"open\"\nrate = 1\nduration = \"1s\"\n"),
            ),
            11,
            "[workload] and [[workloads]]",
        ),
        (
            scenario("", &both.replace("name = \"writes\"", "name = \"reads\"")),
            17,
            "two workloads have the name `reads`",
        ),
        (
            scenario("", &both.replace("name = \"writes\"\n", "")),
            17,
            "needs a name",
        ),
        (
            scenario("", &both.replace("{ write = 1 }", "{ writ = 1 }")),
            19,
            "did you mean `write`",
        ),
        (
            scenario("", &both.replace("{ write = 1 }", "{ write = 0 }")),
            19,
            "a number above 0",
        ),
        (
            scenario("", &both.replace("journeys = { write = 1 }\n", "")),
            17,
            "`journeys = { NAME = WEIGHT }` with some of: read, write",
        ),
        (
            scenario("", READS),
            21,
            "no workload runs the journey `write`",
        ),
        (
            scenario("", &both).replace(
                "name = \"write\"\nsteps",
                "name = \"write\"\nweight = 2\nsteps",
            ),
            29,
            "`journeys = { write = WEIGHT }`",
        ),
        (
            scenario("", &both).replace("name = \"write\"\nsteps", "name = \"read\"\nsteps"),
            19,
            "unknown journey `write`",
        ),
        (
            scenario(
                "",
                &both.replace("\"closed\"\nusers = 2\nduration = \"1s\"", "\"trace\""),
            ),
            17,
            "kind = \"trace\" in [workload]",
        ),
        (
            scenario("", &both.replace("users = 2", "rate = 2")),
            17,
            "a closed workload needs its users",
        ),
        (
            scenario("", &format!("{both}warm_up = \"1s\"\n")),
            23,
            "leaves nothing of 1s to measure",
        ),
        (
            scenario("'workload[\"wites\"].p(99) < 1s'", &both),
            3,
            "did you mean `writes`",
        ),
        (
            scenario("'workload[\"reads\"].p(99) over 2s < 1s'", &both),
            3,
            "longer than the measured time, 1s",
        ),
        (
            scenario("", &READS.replace("[[workloads]]", "[workload]")),
            11,
            "[workload] has no `name`",
        ),
    ] {
        let ended = Folder::new()
            .with("test.toml", &text)
            .loadgen(&["check", "test.toml"]);
        assert_eq!(ended.code, 2, "{text}{}", ended.stdout);
        let flat = ended.flat();
        assert!(
            flat.contains(&format!("test.toml:{line}:")),
            "line {line}: {flat}"
        );
        assert!(flat.contains(says), "`{says}`: {flat}");
    }
}
