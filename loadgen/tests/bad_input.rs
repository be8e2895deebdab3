//! Bad input: a clear message, exit code 2, and nothing measured.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use support::{Loadgen, SmallSystem, exists, open};

/// Asserts that the scenario is refused at this line, with these words in the message.
fn check(text: &str, line: usize, says: &[&str]) {
    let ended = Loadgen::scenario(text)
        .arguments(&["--target", "http://127.0.0.1:1"])
        .run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("test.toml:{line}")),
        "line {line}: {}",
        ended.stderr
    );
    let flat = ended
        .stderr
        .replace(['\n', '│'], " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for word in says {
        assert!(flat.contains(word), "`{word}`: {}", ended.stderr);
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_what_is_allowed() {
    let text = open(10, "1s", "").replace("duration = ", "duratoin = ");
    check(
        &text,
        7,
        &["duratoin", "did you mean `duration`", "warm_up"],
    );
}

#[test]
fn only_open_workloads_have_arrivals_to_be_spread() {
    let text = open(10, "1s", "").replace(
        "kind = \"open\"",
        "arrivals = \"poisson\"\nkind = \"closed\"",
    );
    check(&text, 4, &["only an open workload has arrivals"]);
    let text = open(10, "1s", "").replace("kind =", "arrivals = \"random\"\nkind =");
    check(&text, 5, &["random", "even", "poisson"]);
}

#[test]
fn wrong_values_are_refused_with_their_line_and_what_is_allowed() {
    check(
        &open(10, "1 fortnight", ""),
        7,
        &["fortnight", "ms, s, m, h"],
    );
    check(
        &open(10, "0s", ""),
        4,
        &["the workload has no duration", "longer than 0 s"],
    );
    for rate in ["1e12", "10000001.0", "0.0", "-1.0"] {
        let text = open(10, "1s", "").replace("rate = 10.0", &format!("rate = {rate}"));
        check(
            &text,
            4,
            &["a rate is out of range", "0 to 10000000 journeys"],
        );
    }
    check(
        &open(10, "1s", "").replace("\"GET\"", "\"GOT\""),
        13,
        &["GOT", "GET"],
    );
    check(
        &open(10, "1s", "thresholds = [\"respond_time.p99 < 1s\"]"),
        3,
        &["respond_time", "response_time"],
    );
    check(
        &open(10, "1s", "").replace("rate = 10.0\n", ""),
        4,
        &["rate", "stages"],
    );
    check(
        &open(10, "1s", "").replace("/thing\"", "/thing/{{thing|uppercase}}\""),
        13,
        &["uppercase", "at:/pointer"],
    );
}

#[test]
fn limits_out_of_range_are_refused_with_their_line_and_what_is_allowed() {
    for (limit, allowed) in [
        ("in_flight_max = 0", "1 to 1000000; 4096 by default"),
        ("in_flight_max = -1", "a whole number from 0"),
        ("connections_max = 60001", "1 to 60000; 1024 by default"),
        ("sampled_per_s = -1", "0.0 to 1000000.0; 50.0 by default"),
        ("dropped_pct_max = 101", "0.0 to 100.0; 1.0 by default"),
    ] {
        let limits = format!("[limits]\nrequest_timeout = \"1s\"\n{limit}\n");
        check(&open(10, "1s", &limits), 5, &[allowed]);
    }
    check(
        &open(10, "1s", "").replace("/thing\"", "/thing/{{random:1:9|pad:65}}\""),
        13,
        &["`pad:65` is out of range", "pad:0 to pad:64"],
    );
}

#[test]
fn options_out_of_range_are_refused_with_what_is_allowed() {
    for (limits, arguments, says) in [
        ("", ["--duration", "0s"], "longer than 0"),
        ("", ["--duration", "200ms"], "warm-up of 200ms"),
        ("", ["--rate", "0"], "above 0"),
        ("", ["--rate", "1e12"], "up to 10000000"),
        ("", ["--rate", "nan"], "above 0"),
        ("", ["--rate", "=5"], "the value alone"),
        ("", ["--max-error-rate", "101%"], "from 0% to 100%"),
        ("", ["--max-error-rate", "5"], "from 0% to 100%"),
        ("", ["--rate", "10000001"], "up to 10000000"),
        ("", ["--users", "0"], "from 1 to 100000"),
        ("", ["--drivers", "0"], "allowed: 1 to 256"),
        ("", ["--drivers", "257"], "allowed: 1 to 256"),
        (
            "[limits]\nconnections_max = 2\n",
            ["--drivers", "3"],
            "allowed: 1 to 2",
        ),
    ] {
        let system = SmallSystem::start();
        let text =
            open(10, "1s", limits).replace("[[journeys]]", "warm_up = \"200ms\"\n[[journeys]]");
        let ended = Loadgen::scenario(&text)
            .target(&system)
            .arguments(&arguments)
            .run();
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(says),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert_eq!(system.requests(), 0);
    }
}

#[test]
fn names_that_lead_nowhere_are_refused_with_their_line_and_what_exists() {
    check(
        &open(10, "1s", "[parameters]\nthings = 3\n").replace("/thing\"", "/thing/{{thigns}}\""),
        15,
        &["thigns", "did you mean `things`"],
    );
    check(
        &open(10, "1s", "thresholds = [\"response_time[gte].p99 < 1s\"]"),
        3,
        &["gte", "get thing"],
    );
    check(
        &open(10, "1s", "").replace("expect = { exist = [\"/", "expect = { exist = [\""),
        14,
        &["JSON pointer", "/result/0"],
    );
}

#[test]
fn an_unknown_scenario_is_answered_with_those_that_exist() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "chekout"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text.contains("checkout") && text.contains("browse"),
        "{text}"
    );
}

#[test]
fn every_built_in_scenario_is_listed_with_its_story() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("list")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "browse",
        "bulk-import",
        "cart-updates",
        "chaos-network",
        "chaos-redis",
        "chaos-services",
        "checkout",
        "lifecycle",
        "outage",
        "replay",
    ] {
        assert!(text.contains(name), "{text}");
    }
    assert!(!text.contains("can't be read"), "{text}");
}

#[test]
fn a_target_that_refuses_connections_ends_the_run_before_it_starts() {
    let ended = Loadgen::scenario(&open(10, "60s", ""))
        .arguments(&["--target", "http://127.0.0.1:1"])
        .run();
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("can't be reached") && ended.stderr.contains("127.0.0.1:1"),
        "{}",
        ended.stderr
    );
    assert!(!exists(&ended.out, "report.json"));
}

#[test]
fn a_target_without_tls_is_told_from_one_that_is_away() {
    let system = SmallSystem::start();
    let ended = Loadgen::scenario(&open(10, "60s", ""))
        .arguments(&["--target", &system.url.replace("http://", "https://")])
        .run();
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("is it an http:// target?"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_missing_system_program_is_named_with_what_to_do() {
    let ended = Loadgen::scenario(&open(10, "1s", ""))
        .arguments(&["--system-bin", "/nonexistent/ordershop"])
        .run();
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("--system-bin") && ended.stderr.contains("--target"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_option_that_does_not_fit_the_workload_is_refused() {
    let system = SmallSystem::start();
    let closed = open(1, "1s", "").replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 1",
    );
    let rate = Loadgen::scenario(&closed)
        .target(&system)
        .arguments(&["--rate", "5"])
        .run();
    let users = Loadgen::scenario(&open(1, "1s", ""))
        .target(&system)
        .arguments(&["--users", "5"])
        .run();
    let negative = Loadgen::scenario(&open(1, "1s", ""))
        .target(&system)
        .arguments(&["--rate", "-5"])
        .run();
    assert_eq!((rate.code, users.code, negative.code), (2, 2, 2));
    assert!(rate.stderr.contains("--users"), "{}", rate.stderr);
    assert!(
        negative.stderr.contains("write a number above 0"),
        "{}",
        negative.stderr
    );
}

#[test]
fn a_file_to_write_that_the_run_reads_or_writes_already_is_refused() {
    let scenario = open(10, "1s", "");
    for (arguments, says) in [
        (["--csv", "test.toml"].as_slice(), "--csv test.toml"),
        (&["--junit", "./test.toml"], "--junit ./test.toml"),
        (&["--csv", "one", "--junit", "./one"], "--csv and --junit"),
    ] {
        let target = ["--target", "http://127.0.0.1:1"];
        let ended = Loadgen::scenario(&scenario)
            .arguments(&[target.as_slice(), arguments].concat())
            .run();
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        let left = std::fs::read_to_string(ended.out.with_file_name("test.toml"));
        assert_eq!(left.unwrap(), scenario);
        let one = std::fs::read_to_string(ended.out.with_file_name("one"));
        assert!(one.is_err() || one.unwrap().contains("errors=\"1\""));
    }
}

#[test]
fn what_a_run_reads_is_never_overwritten_whatever_is_wrong_and_by_whatever_name() {
    let feeder = "[[feeders]]\nname = \"row\"\npick = \"random\"\ncsv = \"data.csv\"\n[[journeys]]";
    let right = open(10, "1s", "").replace("[[journeys]]", feeder);
    let wrong = right.replace("duration", "duratoin");
    let broken = right.replace("rate =", "rate");
    let rows = "a\n1\n";
    for (text, refused) in [(right, true), (wrong, false), (broken, false)] {
        for option in ["--csv", "--junit"] {
            for name in ["data.csv", "hard", "soft", "test.toml", "ca.pem"] {
                let run = Loadgen::scenario(&text);
                let folder = run.folder.path();
                let data = folder.join("data.csv");
                std::fs::write(&data, rows).unwrap();
                std::fs::write(folder.join("ca.pem"), rows).unwrap();
                std::fs::hard_link(&data, folder.join("hard")).unwrap();
                std::os::unix::fs::symlink(&data, folder.join("soft")).unwrap();

                let target = ["--target", "http://127.0.0.1:1", "--tls-ca", "ca.pem"];
                let ended = run.arguments(&target).arguments(&[option, name]).run();

                assert_eq!(ended.code, 2, "{}", ended.stderr);
                let says = format!("{option} {name}: this run reads the file");
                assert_eq!(ended.stderr.contains(&says), refused, "{}", ended.stderr);
                let left = |name| std::fs::read_to_string(ended.out.with_file_name(name)).unwrap();
                assert_eq!([left("data.csv"), left("ca.pem")], [rows, rows], "{says}");
                assert_eq!(left("test.toml"), text, "{says}");
            }
        }
    }
}

#[test]
fn a_file_that_the_report_has_of_its_own_is_not_one_to_write() {
    let system = SmallSystem::start();
    let scenario = open(20, "500ms", "");
    let run = Loadgen::scenario(&scenario).target(&system);
    let ended = run
        .arguments(&["--junit", "out/junit.xml", "--csv", "out/seconds.csv"])
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let files = std::fs::read_dir(&ended.out).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let own = names.filter(|name| !matches!(name.as_str(), "junit.xml" | "seconds.csv"));
    let own: Vec<String> = own.collect();
    assert!(own.len() > 5, "{own:?}");
    let requests = system.requests();
    for name in &own {
        let path = format!("./out/{name}");
        for occupied in [false, true] {
            let run = Loadgen::scenario(&scenario).target(&system);
            let file = run.out().join(name);
            if occupied {
                std::fs::create_dir(run.out()).unwrap();
                for name in ["report.json", name] {
                    std::fs::write(run.out().join(name), "older").unwrap();
                }
            }
            let ended = run.arguments(&["--csv", &path]).run();
            assert_eq!(ended.code, 2, "{name}: {}", ended.stderr);
            let says = format!("--csv {path}: the report's own files have such names");
            assert!(ended.stderr.contains(&says), "{}", ended.stderr);
            let left = std::fs::read_to_string(file).ok();
            assert_eq!(left.as_deref(), occupied.then_some("older"), "{name}");
        }
    }
    assert_eq!(system.requests(), requests);
}

/// Runs the scenario `test.toml` of this folder against a target that is away, with a bound.
fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("timeout")
        .args(["20", env!("CARGO_BIN_EXE_loadgen"), "run", "test.toml"])
        .args(["--target", "http://127.0.0.1:1"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn a_folder_with_a_report_is_refused_where_no_folder_can_be_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("in");
    std::fs::create_dir_all(folder.join("x")).unwrap();
    std::fs::write(folder.join("test.toml"), open(10, "1s", "")).unwrap();
    std::os::unix::fs::symlink("x", folder.join("link")).unwrap();
    for holder in [&folder, &folder.join("..")] {
        std::fs::write(holder.join("report.json"), "{}").unwrap();
    }
    std::fs::write(folder.join("x/report.json"), "{}").unwrap();

    for out in [".", "./", "..", "x/..", "./."] {
        let (code, said) = run_in(&folder, &["--out", out]);
        assert_eq!(code, Some(2), "{out}: {said}");
        let says = format!("{out} already holds a report; name another folder with --out");
        assert!(said.contains(&says), "{out}: {said}");
    }
    for (out, beside) in [("x/", "x-2"), ("x/.", "x-2"), ("link", "link-2")] {
        let (code, said) = run_in(&folder, &["--out", out]);
        assert_eq!(code, Some(2), "{out}: {said}");
        let says = format!("this run's goes to {beside}\n");
        assert!(said.contains(&says), "{out}: {said}");
    }
}
