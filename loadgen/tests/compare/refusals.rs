//! Tests what can't be compared, and the message for each case.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::runs::{Runs, change, copy};
use crate::support::{Loadgen, SmallSystem, open};
use crate::{compare_report, text};

fn check(candidate: &Path, baseline: &Path, more: &[&str], code: i32, says: &[&str]) {
    let arguments: Vec<&str> = [text(baseline), text(candidate)]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let said = compare_report(&arguments);
    assert_eq!(
        said.code, code,
        "{arguments:?}: {}{}",
        said.out, said.problem
    );
    for words in says {
        assert!(said.problem.contains(words), "`{words}`: {}", said.problem);
    }
}

#[test]
fn what_is_no_run_is_refused_with_what_would_be_one() {
    let runs = Runs::new();
    let good = runs.add("good", 1, |_| ());
    let other = runs.add("other", 1, |report| {
        report["schema"] = json!("loadgen-report/99")
    });
    let cut = runs.add("cut", 1, |_| ());
    let whole = std::fs::read_to_string(cut.join("report.json")).unwrap();
    std::fs::write(cut.join("report.json"), &whole[..whole.len() / 2]).unwrap();
    std::fs::create_dir(runs.path("empty")).unwrap();
    std::fs::write(runs.path("notes.txt"), "hello").unwrap();

    check(
        &other,
        &good,
        &[],
        2,
        &["`loadgen-report/99`", "this program reads loadgen-report/1"],
    );
    check(
        &cut,
        &good,
        &[],
        2,
        &["report.json", "not a whole JSON document"],
    );
    check(
        &runs.path("empty"),
        &good,
        &[],
        2,
        &["empty", "there are no runs in this folder"],
    );
    check(
        &runs.path("nowhere"),
        &good,
        &[],
        2,
        &["nowhere", "no such file or folder"],
    );
    check(
        &runs.path("notes.txt"),
        &good,
        &[],
        2,
        &["notes.txt", "a folder of runs"],
    );
    check(&good, &good, &[], 2, &["given twice"]);
}

#[test]
fn options_that_nobody_asked_to_differ_are_warned_of() {
    let runs = Runs::new();
    let add = |name: &str, options: Value, asked: Value| {
        let report = |report: &mut Value| report["environment"]["system_options"] = options.clone();
        let run = runs.add(name, 1, report);
        let blocks = json!({"schema": "loadgen-blocks/1", "asked": asked, "blocks": {"01": 1}});
        std::fs::write(run.with_file_name("blocks.json"), blocks.to_string()).unwrap();
        runs.path(name)
    };
    let one = add(
        "one",
        json!({"threads": 1, "processes": false}),
        json!({"--threads": "1"}),
    );
    let two = add(
        "two",
        json!({"threads": 2, "processes": true}),
        json!({"--threads": "2"}),
    );

    let said = compare_report(&[text(&one), text(&two)]);

    assert_eq!(said.code, 3, "one block: {}", said.problem);
    let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let warned = "different options: processes is false and true";
    assert!(flat.contains(warned), "{}", said.out);
    assert!(!flat.contains("threads is"), "{}", said.out);
    assert!(!flat.contains("partitions is"), "{}", said.out);

    for (name, partitions, is_warned) in [("split", 4, true), ("whole", 1, false)] {
        // The earlier build says nothing of partitions and has one.
        let options = json!({"threads": 1, "processes": false, "partitions": partitions});
        let other = add(name, options, json!({}));
        let said = compare_report(&[text(&one), text(&other)]);
        let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let warned = flat.contains("different options: partitions is 1 and 4");
        assert_eq!(warned, is_warned, "{name}: {}", said.out);
        assert!(is_warned || !flat.contains("partitions is"), "{}", said.out);
    }
}

#[test]
fn runs_of_different_things_are_refused_with_what_differs_and_compared_when_told_to() {
    let runs = Runs::new();
    let good = runs.add("good", 1, |_| ());
    let rows = [
        ("scenario", "/scenario", json!("browse"), "`browse`"),
        (
            "asked",
            "/fingerprint",
            json!("00112233aabbccdd"),
            "what the scenario asks for, by its fingerprint: `",
        ),
        (
            "workload",
            "/workload/description",
            json!("open: 99/s for 1s"),
            "99/s",
        ),
        (
            "durability",
            "/environment/durability",
            json!("always"),
            "`always`",
        ),
        ("redis", "/environment/redis_version", json!("9.9"), "9.9"),
        ("protocol", "/http/protocol", json!("HTTP/2"), "`HTTP/2`"),
        (
            "profiled",
            "/profile",
            json!({"samples_per_s": 199, "programs": []}),
            "profiled: `no`",
        ),
    ];
    for (name, pointer, value, says) in rows {
        let other = runs.add(name, 1, |report| {
            report["http"] = json!({"protocol": "HTTP/1.1"});
            report["profile"] = Value::Null;
            *report.pointer_mut(pointer).unwrap() = value.clone();
        });
        check(
            &other,
            &good,
            &[],
            2,
            &["not comparable", says, "--allow-different"],
        );
        let said = compare_report(&[text(&good), text(&other), "--allow-different"]);
        assert_eq!(said.code, 3, "one run a side: {}", said.problem);
        assert!(said.out.contains("A1,A2,A3 B1,B2,B3"), "{}", said.out);
        assert!(
            said.out.contains("different, but compared because of"),
            "{}",
            said.out
        );
    }
}

#[test]
fn scenarios_of_one_name_that_ask_for_different_things_are_refused_but_for_older_reports() {
    let runs = Runs::new();
    let system = SmallSystem::start();
    let asking = |name: &str, step: &str| {
        let text = open(50, "1s", "").replace("path = \"/thing\"", step);
        let ended = Loadgen::scenario(&text).target(&system).run();
        let folder = runs.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        copy(&ended.out, &folder);
        folder
    };
    let thing = asking("thing", "path = \"/thing\"");
    let again = asking("again", "path = '/thing'");
    let other = asking("other", "path = \"/thing\", query = { n = \"2\" }");
    let older = asking("older", "path = \"/thing\", query = { n = \"3\" }");
    change(&older, |report| {
        report.as_object_mut().unwrap().remove("fingerprint");
    });

    let differs = [
        "not comparable",
        "what the scenario asks for",
        "--allow-different",
    ];
    check(&other, &thing, &["--allow-invalid"], 2, &differs);
    for compared in [&again, &older] {
        let said = compare_report(&[text(&thing), text(compared), "--allow-invalid"]);
        assert_eq!(said.code, 3, "one run a side: {}", said.problem);
    }
    // What the page is made from is left as it is.
    let remade = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("report")
        .arg(&other)
        .output()
        .unwrap();
    assert!(remade.status.success(), "{remade:?}");
    check(&other, &thing, &["--allow-invalid"], 2, &differs);
}

#[test]
fn copies_of_a_run_are_no_runs_of_their_own() {
    let runs = Runs::new();
    let (one, other) = (runs.add("one", 1, |_| ()), runs.add("other", 1, |_| ()));
    let copied = runs.path("copied");
    std::fs::create_dir(&copied).unwrap();
    copy(&one, &copied);
    let merged = runs.add("merged", 1, |_| ());
    change(&merged, |report| {
        let part = |folder: &Path| {
            let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
            let part: Value = serde_json::from_str(&text).unwrap();
            json!({"folder": "part", "started_at": part["started_at"], "target": "",
                "requests": part["all_steps"]["count"], "verdict": "PASS"})
        };
        report["merged_from"] = json!([part(&one), part(&other)]);
    });

    let says = ["have the figures of one run", "made one by one"];
    check(&copied, &one, &[], 2, &says);
    check(&merged, &one, &[], 2, &says);
    let twice = format!("{},{}", text(&one), text(&copied));
    check(&other, Path::new(&twice), &[], 2, &says);
    let said = compare_report(&[text(&one), text(&other)]);
    assert_eq!(said.code, 3, "one run a side: {}", said.problem);
}

#[test]
fn across_machines_only_what_holds_from_machine_to_machine_is_compared() {
    let runs = Runs::new();
    let good = runs.add("good", 1, |_| ());
    let other = runs.add("other", 1, |report| {
        report["environment"]["cores"] = json!(96)
    });
    check(
        &other,
        &good,
        &[],
        2,
        &["cores", "`96`", "--across-machines"],
    );
    let said = compare_report(&[text(&good), text(&other), "--across-machines"]);
    assert!(
        said.out.contains("redis.commands_per_journey"),
        "{}{}",
        said.out,
        said.problem
    );
    assert!(!said.out.contains("response_time"), "{}", said.out);
}

#[test]
fn an_invalid_run_says_nothing_unless_it_is_taken_as_it_is() {
    let runs = Runs::new();
    let good = runs.add("good", 1, |_| ());
    let invalid = runs.add("invalid", 1, |report| {
        report["verdict"] = json!({"result": "INVALID", "reasons": ["too busy a machine"]});
    });
    check(
        &invalid,
        &good,
        &[],
        3,
        &["INVALID", "too busy a machine", "--allow-invalid"],
    );
    let said = compare_report(&[text(&good), text(&invalid), "--allow-invalid"]);
    assert!(
        said.out
            .contains("INVALID, but used because of --allow-invalid"),
        "{}{}",
        said.out,
        said.problem
    );
}

#[test]
fn wrong_options_are_answered_with_what_is_allowed() {
    let runs = Runs::new();
    let (a, b) = (runs.add("a", 1, |_| ()), runs.add("b", 1, |_| ()));
    for (options, says) in [
        (
            ["--fail-on", "respond_time.p99 > +10%"],
            "response_time.p99",
        ),
        (["--fail-on", "response_time.p99 > 10ms"], "FIGURE > +10%"),
        (["--noise-band", "0%"], "more than 0 %"),
        (["--confidence", "40%"], "more than 0.5"),
        (["--noise-band", "wide"], "allowed: 5%"),
    ] {
        check(&b, &a, &options, 2, &[says]);
    }
}

#[test]
fn what_sides_were_asked_to_differ_in_is_named_but_must_be_the_same_within_a_side() {
    let runs = Runs::new();
    let add = |side: &str, number: usize, durability: &str| {
        let folder = runs.add(side, number, |report| {
            report["environment"]["durability"] = json!(durability);
        });
        let asked = json!({"schema": "loadgen-blocks/1", "asked": {"durability": durability},
            "blocks": {"01": 1, "02": 2}});
        std::fs::write(folder.with_file_name("blocks.json"), asked.to_string()).unwrap();
        runs.path(side)
    };
    let one = add("one", 1, "none");
    let other = add("other", 1, "always");

    let said = compare_report(&[text(&one), text(&other)]);

    assert_eq!(said.code, 3, "one run a side: {}", said.problem);
    let named = "differs as asked: durability, none → always";
    assert!(said.out.contains(named), "{}", said.out);
    let mixed = add("other", 2, "everysec");
    add("other", 1, "always");
    check(&mixed, &one, &[], 2, &["not comparable", "`everysec`"]);
}
