//! A replay: every invoice of an export is ordered, cancelled or skipped for a reason, and the report says which.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use support::{Ended, Loadgen, SmallSystem, eventually, exists, signal};

const HEADER: &str = "invoice,time,customer,product,quantity,unit_price\n";
/// Ann cancels in time, Bob after his order is shipped; Cy has no order, and a free gift is not an order.
const ORDERS: &str = "1,2010-12-01T08:00:00,ann,A,2,2.55\n\
                      1,2010-12-01T08:00:00,ann,B,1,0.85\n\
                      3,2010-12-01T08:01:00,bob,A,3,2.55\n\
                      4,2010-12-01T08:02:00,,B,1,0.95\n\
                      C2,2010-12-01T08:05:00,ann,A,-2,2.55\n\
                      C5,2010-12-01T08:06:00,cy,A,-1,2.55\n\
                      6,2010-12-01T08:07:00,ann,A,1,0.00\n\
                      C4,2010-12-01T09:00:00,bob,A,-3,2.55\n";
const MAPPING: &str = r#"
[trace]
time_format = "%Y-%m-%dT%H:%M:%S"
spread = "0s"
left_out_pct_max = 20
[trace.columns]
invoice = "invoice"
time = "time"
customer = "customer"
product = "product"
quantity = "quantity"
unit_price = "unit_price"
"#;

/// A scenario for the small system, which has one kind of entity and answers one request at a time.
fn scenario() -> String {
    let setup = |name: &str, list: &str| {
        format!(
            "[[setup]]\nname = \"{name}\"\nfor_each = \"trace_{name}\"\nchunk = 1\nlist = \"{list}\"\n\
             item = {{ name = \"{{{{it.name}}}}\" }}\nrequest = {{ method = \"POST\", path = \"/thing\" }}\n"
        )
    };
    format!(
        r#"name = "test"
description = "a replay"
thresholds = ["journeys.failed == 0"]
[workload]
kind = "trace"
{MAPPING}
{}{}
[[journeys]]
name = "cancellation"
inputs = ["customer"]
[[journeys.steps]]
recall = {{ key = "{{{{customer}}}}", as = "order_id", otherwise = "no matching order" }}
[[journeys.steps]]
name = "delete order"
request = {{ method = "DELETE", path = "/thing/{{{{order_id}}}}" }}

[[journeys]]
name = "order"
inputs = ["customer", "products", "amount"]
[[journeys.steps]]
promise = {{ key = "{{{{customer}}}}" }}
[[journeys.steps]]
name = "create order"
request = {{ method = "POST", path = "/thing", body = {{ customer = "{{{{customer|in:customer_list:/entity_id}}}}", products = "{{{{products|in:product_list:/entity_id}}}}" }} }}
extract = {{ order_id = "/result/0" }}
[[journeys.steps]]
remember = {{ key = "{{{{customer}}}}", value = "{{{{order_id}}}}" }}
[[journeys.steps]]
await = {{ topic = "thing", id = "{{{{order_id}}}}" }}
[[journeys.steps]]
think = "{{{{pay_after}}}}"
[[journeys.steps]]
forget = {{ key = "{{{{customer}}}}", value = "{{{{order_id}}}}", otherwise = "cancelled by its customer" }}
[[journeys.steps]]
name = "pay"
request = {{ method = "POST", path = "/thing", body = {{ amount = "{{{{amount}}}}" }} }}
"#,
        setup("products", "product_list"),
        setup("customers", "customer_list"),
    )
}

/// A run of this scenario with these rows as its trace.
fn replay(scenario: &str, rows: &str, speed: &str) -> Loadgen {
    let run = Loadgen::scenario(scenario);
    let trace = run.folder.path().join("orders.csv");
    std::fs::write(&trace, format!("{HEADER}{rows}")).unwrap();
    run.arguments(&["--trace", trace.to_str().unwrap(), "--speed", speed])
}

fn sum(counts: &Value) -> u64 {
    let counts = counts.as_object().unwrap().values();
    counts.map(|count| count.as_u64().unwrap()).sum()
}

fn invoices_add_up(replay: &Value) {
    let counted = replay["ordered"].as_u64().unwrap() + replay["cancelled"].as_u64().unwrap();
    let all = replay["invoices"].as_u64().unwrap();
    assert_eq!(counted + sum(&replay["skipped"]), all, "{replay:#}");
}

#[test]
fn every_invoice_is_ordered_cancelled_or_skipped_for_a_reason() {
    let system = SmallSystem::start();
    let ended = replay(&scenario(), ORDERS, "1200").target(&system).run();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stderr, ended.stdout);
    let report = ended.report();
    assert_eq!(
        report["replay"],
        json!({
            "trace": "orders.csv", "speed": 1200.0, "invoices": 7, "ordered": 3, "cancelled": 1,
            "skipped": {"no matching order": 2, "zero price": 1},
            "lines": {"total": 8, "ordered": 4, "cancelled": 2, "left_out": {"no matching order": 1, "zero price": 1}},
            "left_out_pct_max": 20.0,
            "length_s": 3.0,
        })
    );
    let count = |step: usize| report["steps"][step]["count"].as_u64();
    assert_eq!(report["steps"][2]["name"], "pay");
    assert_eq!(count(2), Some(2), "a cancelled order is not paid");
    assert_eq!(report["skipped"]["cancelled by its customer"], 1);
    assert_eq!(report["journeys"]["failed"], 0);
    assert!(
        ended.stderr.contains("5 of 7 invoices") && ended.stderr.contains("3 s"),
        "said before it starts: {}",
        ended.stderr
    );
    let summary = std::fs::read_to_string(ended.out.join("summary.md")).unwrap();
    for text in [&summary, &ended.stdout] {
        assert!(text.contains("skipped: zero price"), "{text}");
        assert!(text.contains("all of orders.csv at 1200 ×"), "{text}");
    }
}

#[test]
fn a_replay_that_left_out_more_than_its_share_fails_and_says_why() {
    let rows = "1,2010-12-01T08:00:00,ann,A,2,2.55\n\
                1,,,B,1,0.85\n\
                1,,,B,1,0.85\n\
                2,2010-12-01T08:00:01,bob,A,2,much\n";
    let system = SmallSystem::start();
    let ended = replay(&scenario(), rows, "1200").target(&system).run();
    assert_eq!(ended.code, 1, "{}\n{}", ended.stderr, ended.stdout);
    for said in [
        "1 of 4 lines of the trace were left out, 25.0 % > 20 % (1 × unreadable price)",
        "1 lines of the trace repeat another line in every field",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    assert_eq!(ended.report()["replay"]["lines"]["ordered"], 3);
}

#[test]
fn a_cancellation_that_comes_before_a_slow_target_has_the_order_still_cancels_it() {
    let system = SmallSystem::start();
    system.behaviour.delay_ms.store(150, Ordering::SeqCst);
    // Five recorded minutes are 50 ms here: the order takes three times as long.
    let ended = replay(&scenario(), ORDERS, "6000").target(&system).run();
    let replayed = &ended.report()["replay"];
    assert_eq!(replayed["cancelled"], 1, "{replayed:#}");
    invoices_add_up(replayed);
}

#[test]
fn an_arrival_over_the_in_flight_limit_and_a_failed_one_are_counted_too() {
    let system = SmallSystem::start();
    let scenario = scenario() + "[limits]\nin_flight_max = 1\ndropped_pct_max = 100.0\n";
    let tight = replay(&scenario, ORDERS, "1200").target(&system).run();
    let replayed = &tight.report()["replay"];
    assert_eq!(
        replayed["skipped"]["over the limit of journeys in flight"], 3,
        "{replayed:#}"
    );
    invoices_add_up(replayed);

    let system = SmallSystem::start();
    let scenario = self::scenario().replace("\"/result/0\"", "\"/result/7\"");
    let failing = replay(&scenario, ORDERS, "1200").target(&system).run();
    assert_eq!(failing.code, 1);
    let replayed = &failing.report()["replay"];
    assert_eq!(replayed["skipped"]["failed in the run"], 3, "{replayed:#}");
    invoices_add_up(replayed);
}

#[test]
fn a_replay_that_is_stopped_says_how_many_invoices_it_did_not_come_to() {
    let system = SmallSystem::start();
    let run = replay(&scenario(), ORDERS, "300").target(&system);
    let child = run.start();
    // Three products, three customers, Ann's order and its cancellation.
    eventually("the first journeys", || system.requests() > 3 + 3);
    signal(&child, "INT");
    let ended = run.ended(child.wait_with_output().unwrap());
    let replayed = &ended.report()["replay"];
    let stopped = replayed["skipped"]["the run was stopped before"].as_u64();
    assert!(stopped >= Some(2), "{replayed:#}");
    invoices_add_up(replayed);
}

fn refused(run: Loadgen, says: &[&str]) {
    // Refused before the target is contacted.
    let ended = run
        .arguments(&["--system-bin", "/nonexistent/ordershop"])
        .run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let flat: Vec<&str> = ended
        .stderr
        .split(|c: char| c.is_whitespace() || c == '│')
        .filter(|word| !word.is_empty())
        .collect();
    let flat = flat.join(" ");
    for text in says {
        assert!(flat.contains(text), "`{text}`: {}", ended.stderr);
    }
    assert!(!exists(&ended.out, "report.json"));
}

#[test]
fn options_and_files_that_do_not_fit_are_refused_with_what_is_needed() {
    let plain = support::open(1, "1s", "");
    refused(Loadgen::scenario(&scenario()), &["--trace FILE.csv"]);
    refused(
        Loadgen::scenario(&plain).arguments(&["--speed", "2"]),
        &["--speed", "`test` has no recorded arrivals"],
    );
    refused(
        Loadgen::scenario(&plain).arguments(&["--trace", "orders.csv"]),
        &["--trace", "`test` has no recorded arrivals"],
    );
    refused(
        Loadgen::scenario(&scenario()).arguments(&["--trace", "no/such.csv"]),
        &["can't open the trace no/such.csv"],
    );
    refused(replay(&scenario(), ORDERS, "1e12"), &["--speed", "0.001"]);
    refused(
        replay(&scenario(), ORDERS, "60").arguments(&["--rate", "5"]),
        &["--rate", "use --speed"],
    );
    refused(
        replay(
            &scenario().replace("\"unit_price\"", "\"price\""),
            ORDERS,
            "60",
        ),
        &["no column `price`", "invoice, time, customer"],
    );
    refused(
        replay(
            &scenario(),
            "1,2010-12-01T08:00:00,ann,A,1,0\n2,2010-12-01T08:00:00,ann,A,-1,2\n",
            "60",
        ),
        &[
            "nothing in",
            "2 lines",
            "1 × zero price",
            "1 × negative quantity outside a cancellation",
        ],
    );
}

#[test]
fn a_scenario_that_can_not_be_replayed_is_refused_at_its_line() {
    let text = scenario();
    let line = |what: &str| text[..text.find(what).unwrap()].lines().count();
    let at = |what: &str, offset: usize| format!("test.toml:{}:", line(what) + offset);
    let cases = [
        (
            text.replace("spread = \"0s\"", "sprad = \"0s\""),
            at("spread", 1),
            "did you mean `spread`",
        ),
        (
            text.replace("spread = \"0s\"", "spread = \"soon\""),
            at("spread", 1),
            "`30m`",
        ),
        (
            text.replace(MAPPING, ""),
            at("[workload]", 1),
            "[trace.columns]",
        ),
        (
            text.replace("kind = \"trace\"", "kind = \"trace\"\nrate = 5.0"),
            at("[workload]", 1),
            "the speed is given",
        ),
        (
            text.replace("\"cancellation\"", "\"return\""),
            at("[workload]", 1),
            "a journey `cancellation`",
        ),
        (
            text.replace("\"amount\"]", "\"sum\"]"),
            at("inputs = [\"customer\", \"products\"", 1),
            "no input `sum`",
        ),
        (
            text.replace("products|in:product_list", "products|in:product_lst"),
            String::new(),
            "did you mean `product_list`",
        ),
    ];
    for (text, place, says) in cases {
        refused(Loadgen::scenario(&text), &[&place, says]);
    }
}

/// The system's program: cargo puts it next to the folder of the tests.
fn ordershop() -> Option<PathBuf> {
    let beside = || {
        let test = std::env::current_exe().unwrap();
        test.parent().unwrap().parent().unwrap().join("ordershop")
    };
    let path = std::env::var_os("ORDERSHOP_BIN").map_or_else(beside, PathBuf::from);
    if !path.is_file() {
        eprintln!(
            "NOT TESTED: there is no {}; build the whole workspace first",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn built_in(trace: &str, speed: &str, program: &std::path::Path) -> Ended {
    let text = include_str!("../../scenarios/replay.toml");
    let text = text.replace(
        "pay_after = \"30m\"",
        "pay_after = \"30m\"\nspread = \"0s\"\nleft_out_pct_max = 20",
    );
    // A debug build on a busy machine: this test is about invoices, not about times.
    let text = text.replace(
        "[limits]",
        "[limits]\nslip_p99_max = \"60s\"\ncpu_pct_max = 1000.0",
    );
    let program = program.to_str().unwrap();
    Loadgen::scenario(&text)
        .arguments(&["--trace", trace, "--speed", speed, "--system-bin", program])
        .run()
}

#[test]
fn the_real_system_takes_orders_payments_and_cancellations_of_an_export() {
    let Some(program) = ordershop() else { return };
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("orders.csv");
    let rows = format!("{HEADER}{ORDERS}").replace("quantity", "description,quantity");
    // For the built-in mapping: times without seconds, and a description.
    let rows = rows
        .replace(":00,", ",")
        .replace(",A,", ",A,LAMP,")
        .replace(",B,", ",B,,");
    std::fs::write(&trace, rows).unwrap();
    let ended = built_in(trace.to_str().unwrap(), "200", &program);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stderr, ended.stdout);
    let replayed = &ended.report()["replay"];
    assert_eq!(
        (&replayed["ordered"], &replayed["cancelled"]),
        (&json!(3), &json!(1))
    );
    invoices_add_up(replayed);
}

#[test]
#[ignore = "needs the first five days of the Online Retail data set: ORDERSHOP_TRACE names the file"]
fn five_real_days_are_replayed_without_losing_an_invoice() {
    let trace = std::env::var("ORDERSHOP_TRACE").expect("ORDERSHOP_TRACE");
    let Some(program) = ordershop() else { return };
    // A debug build on two busy cores needs this long: each day is a burst of large carts.
    let ended = built_in(&trace, "7200", &program);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stderr, ended.stdout);
    let report = ended.report();
    assert_eq!(report["verdict"]["result"], "PASS");
    assert_eq!(report["journeys"]["failed"], 0);
    let replayed = &report["replay"];
    assert_eq!(replayed["invoices"], 512);
    assert!(replayed["ordered"].as_u64() > Some(400), "{replayed:#}");
    // Six come before their customer's last order is paid; on a slow target, more of them may be in time.
    assert!(replayed["cancelled"].as_u64() >= Some(6), "{replayed:#}");
    invoices_add_up(replayed);
}
