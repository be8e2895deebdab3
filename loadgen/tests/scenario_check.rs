//! `check`, `new`, `schema`: errors in a scenario are found before it runs.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/service.rs"]
mod service;

use std::path::Path;

use serde_json::Value;
use service::Folder;

/// A scenario with these steps; `more` is inserted before the workload, in line 3.
fn scenario(more: &str, steps: &str) -> String {
    format!(
        "name = \"test\"\ndescription = \"d\"\n{more}\n[workload]\nkind = \"open\"\nrate = 10.0\nduration = \"20s\"\n[[journeys]]\nname = \"j\"\n{steps}"
    )
}

const GET: &str = "[[journeys.steps]]\nname = \"get\"\nrequest = { method = \"GET\", path = \"/\" }\nextract = { state = \"/state\" }\n";

/// Asserts that `check` refuses the scenario at this line, with these words in the message.
fn refused(folder: Folder, text: &str, line: usize, says: &[&str]) {
    let ended = folder
        .with("test.toml", text)
        .loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 2, "{text}\n{}{}", ended.stdout, ended.stderr);
    let flat = ended.flat();
    assert!(
        flat.contains(&format!("test.toml:{line}:")),
        "line {line}: {flat}"
    );
    for word in says {
        assert!(flat.contains(word), "`{word}`: {flat}");
    }
}

#[test]
fn a_scenario_that_is_right_is_summed_up_without_being_run() {
    let text = r#"
name = "mix"
description = "two journeys"
[parameters]
accounts = 250
pages = 3
[workload]
kind = "open"
warm_up = "2s"
stages = [{ duration = "10s", to = 100 }, { duration = "10s", rate = 100 }, { duration = "10s", to = 0 }]
[[setup]]
name = "accounts"
repeat = "{{accounts}}"
item = { name = "{{index}}" }
list = "accounts"
request = { method = "POST", path = "/accounts" }
[[feeders]]
name = "account"
list = "accounts"
pick = "random"
[[journeys]]
name = "read"
weight = 3
steps = [{ repeat = "{{pages}}", request = { method = "GET", path = "/{{account.entity_id}}" } }]
[[journeys]]
name = "write"
steps = [
  { request = { method = "GET", path = "/" }, extract = { state = "/state" } },
  { if = "{{state}} == 'OPEN'", request = { method = "POST", path = "/" } },
]
"#;
    let ended = Folder::new()
        .with("mix.toml", text)
        .loadgen(&["check", "mix.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // 500 journeys in each ramp and 1000 between them; three of four read three pages, the others send one or two requests.
    for line in [
        "duration: 30s, 2s of it warm-up",
        "arrivals: 2000; requests: 5000 to 5500",
        "journey read: 75 % of the arrivals, requests each: 3",
        "journey write: 25 % of the arrivals, requests each: 1 to 2",
        "set-up: 3 requests",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn requests_of_a_loop_are_summed_up_as_far_as_parameters_feeders_and_ranges_say() {
    let text = r#"
name = "loops"
description = "d"
[parameters]
pages = 3
[workload]
kind = "open"
rate = 10
duration = "10s"
[[feeders]]
name = "basket"
items = [{ pieces = "5" }, { pieces = 2 }]
pick = "random"
[[feeders]]
name = "words"
items = ["red", "lamp"]
pick = "random"
count = [1, 3]
[[journeys]]
name = "known"
steps = [
  { repeat = "{{random:1:4}}", request = { method = "GET", path = "/" } },
  { repeat = "{{basket.pieces|number|add:1}}", request = { method = "GET", path = "/" } },
  { for_each = "words", request = { method = "GET", path = "/{{it}}" } },
  { repeat = "{{words|length}}", think = "1ms" },
  { repeat = "{{pages}}", steps = [{ repeat = 2, request = { method = "GET", path = "/" } }] },
]
[[journeys]]
name = "told by answers"
steps = [
  { name = "log in", request = { method = "GET", path = "/" }, extract = { pages = "/pages", list = "/list" } },
  { name = "page", repeat = "{{pages}}", request = { method = "GET", path = "/{{index}}" } },
  { name = "item", for_each = "list", request = { method = "GET", path = "/{{it}}" } },
]
"#;
    let ended = Folder::new()
        .with("loops.toml", text)
        .loadgen(&["check", "loops.toml"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    // 1 to 4, 3 to 6, 1 to 3, and 6. The parameter `pages` is not the answer's.
    for line in [
        "arrivals: 100; requests: 600 or more",
        "journey known: 50 % of the arrivals, requests each: 11 to 19",
        "journey told by answers: 50 % of the arrivals, requests each: 1, and what the run decides: `page` as many times as {{pages}}; `item` once for each of {{list}}",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn every_file_is_looked_at_and_one_that_is_wrong_makes_exit_code_2() {
    let folder = Folder::new()
        .with("a.toml", "name = 1\n")
        .with("b.toml", &scenario("", GET))
        .with("c.toml", &scenario("", &GET.replace("GET\"", "GTE\"")));
    let ended = folder.loadgen(&["check", "a.toml", "b.toml", "c.toml"]);
    assert_eq!(ended.code, 2);
    let flat = ended.flat();
    assert!(
        flat.contains("a.toml:1") && flat.contains("c.toml:12") && flat.contains("PATCH"),
        "{flat}"
    );
    assert!(ended.stdout.contains("arrivals: 200"), "{}", ended.stdout);
}

#[test]
fn a_variable_that_may_be_unset_needs_a_default() {
    let steps = |path: &str| {
        format!(
            "{}if = \"{{{{random:0:1}}}} == 1\"\n[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"{path}\" }}\n",
            GET
        )
    };
    refused(
        Folder::new(),
        &scenario("", &steps("/{{state}}")),
        16,
        &["`state` is not always set", "default"],
    );
    let fine = Folder::new().with(
        "test.toml",
        &scenario("", &steps("/{{state|default:none}}")),
    );
    assert_eq!(fine.loadgen(&["check", "test.toml"]).code, 0);
}

#[test]
fn a_variable_is_refused_before_the_step_that_sets_it() {
    let early = format!(
        "[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"/{{{{state}}}}\" }}\n{GET}"
    );
    refused(
        Folder::new(),
        &scenario("", &early),
        11,
        &["unknown variable `state`"],
    );
    let within = "[[journeys.steps]]\nthink = \"{{index}}s\"\n";
    refused(
        Folder::new(),
        &scenario("", within),
        11,
        &["unknown variable `index`"],
    );
}

#[test]
fn steps_that_no_journey_reaches_are_refused() {
    let skip = "[[journeys.steps]]\nskip = \"enough\"\n";
    refused(
        Folder::new(),
        &scenario("", &format!("{skip}{GET}")),
        12,
        &["no journey reaches", "`skip` ends it"],
    );
    let never = GET.replace("name = \"get\"", "name = \"get\"\nif = \"1 == 2\"");
    refused(Folder::new(), &scenario("", &never), 12, &["always false"]);
    let statuses = GET.replace(
        "extract = { state = \"/state\" }",
        "expect = { status = 404 }\nskip_on = { 404 = \"gone\" }",
    );
    refused(
        Folder::new(),
        &scenario("", &format!("{statuses}{GET}")),
        15,
        &["no journey reaches", "`get` ends it"],
    );
    let inner = "[[journeys.steps]]\nname = \"both\"\nsteps = [{ think = \"1s\" }, { skip = \"enough\" }]\n";
    refused(
        Folder::new(),
        &scenario("", &format!("{inner}{GET}")),
        13,
        &["`both` ends it"],
    );
}

#[test]
fn how_a_target_is_reached_is_said_on_the_command_line() {
    let text = scenario("[http]\nclient_cert = \"me.pem\"", GET);
    let says = ["it is an option of the command line, --client-cert; allowed: `protocol`"];
    refused(Folder::new(), &text, 4, &says);
}

#[test]
fn a_name_of_two_things_and_one_that_no_template_can_read_are_refused() {
    let feeder = "[[feeders]]\nname = \"u\"\nitems = [1]\npick = \"random\"\n";
    let list = "[[setup]]\nname = \"a\"\nrequest = { method = \"POST\", path = \"/\" }\nextract = { id = \"/id\" }\nlist = \"u\"\n";
    let twice = "`u` is the name of two things";
    for (text, line, says) in [
        (scenario(&feeder.repeat(2), GET), 8, twice),
        (scenario(&list.repeat(2), GET), 12, twice),
        (
            scenario(&format!("[parameters]\nu = 5\n{feeder}"), GET),
            6,
            twice,
        ),
        (
            scenario(&feeder.replace("\"u\"", "\"now\""), GET),
            4,
            "`now` can't be",
        ),
        (
            scenario("[parameters]\nuuid = 5\n", GET),
            4,
            "`uuid` can't be",
        ),
        (
            scenario("[parameters]\nenv = 5\n", GET),
            4,
            "`env` can't be",
        ),
        (
            scenario("[parameters]\n\"a b\" = 5\n", GET),
            4,
            "`a b` can't be",
        ),
        (
            scenario("", &GET.replace("state =", "7 =")),
            13,
            "`7` can't be",
        ),
    ] {
        refused(Folder::new(), &text, line, &[says]);
    }
}

#[test]
fn what_every_answer_meets_or_none_and_what_no_request_can_ask_for_are_refused() {
    for (from, to, line, says) in [
        (
            "extract",
            "expect = { contain = \"\" }\nextract",
            13,
            "says nothing",
        ),
        (
            "extract",
            "expect = { response_time_max = \"0s\" }\nextract",
            13,
            "longer than 0 s",
        ),
        (
            "path = \"/\"",
            "path = \"/a b\"",
            12,
            "a space is written %20",
        ),
        ("path = \"/\"", "path = \"/a\\n\"", 12, "control characters"),
    ] {
        let text = scenario("", &GET.replace(from, to));
        refused(Folder::new(), &text, line, &[says]);
    }
    let target = scenario("[targets]\nauth = \"https:///token\"", GET);
    refused(
        Folder::new(),
        &target,
        4,
        &["the target `auth` is not a URL"],
    );
    let limit = scenario("[limits]\nslip_p99_max = \"0s\"", GET);
    refused(
        Folder::new(),
        &limit,
        4,
        &["`slip_p99_max` is out of range", "\"1µs\" to"],
    );
}

#[test]
fn loops_need_a_bound_and_stand_alone() {
    let with = |more: &str| {
        scenario(
            "",
            &GET.replace("name = \"get\"", &format!("name = \"get\"\n{more}")),
        )
    };
    refused(
        Folder::new(),
        &with("until = \"{{state}} == 'DONE'\""),
        10,
        &["need a bound", "10000"],
    );
    refused(
        Folder::new(),
        &with("repeat = 2\nfor_each = \"x\""),
        10,
        &["at most one loop", "until"],
    );
    refused(
        Folder::new(),
        &with("while = \"{{state}} == 1\"\nmax = 3"),
        12,
        &["unknown variable `state`"],
    );
    refused(
        Folder::new(),
        &with("if = \"{{state\""),
        12,
        &["not a condition", "contains"],
    );
    let fine = Folder::new().with(
        "test.toml",
        &with("until = \"{{state}} == 'DONE'\"\nmax = 10"),
    );
    assert_eq!(
        fine.loadgen(&["check", "test.toml"]).code,
        0,
        "`until` may read what its step extracts"
    );
}

#[test]
fn a_feeders_file_must_exist_and_have_the_columns_that_are_read() {
    let feeder = "[[feeders]]\nname = \"user\"\ncsv = \"data/users.csv\"\npick = \"sequential\"\n";
    let with = |path: &str| {
        scenario(
            feeder,
            &GET.replace("path = \"/\"", &format!("path = \"{path}\"")),
        )
    };
    refused(
        Folder::new(),
        &with("/{{user.name}}"),
        3,
        &["users.csv", "No such file"],
    );
    let users = || Folder::new().with("data/users.csv", "name,mail\nann,a@x\n");
    refused(
        users(),
        &with("/{{user.nmae}}"),
        16,
        &["no column `nmae`", "did you mean `name`", "mail"],
    );
    refused(
        Folder::new().with("data/users.csv", "name;mail\nann;a@x\n"),
        &with("/{{user.name}}"),
        16,
        &["allowed: name;mail; if these are several columns, give the feeder's `delimiter`"],
    );
    let fine = users().with("test.toml", &with("/{{user.name}}"));
    assert_eq!(fine.loadgen(&["check", "test.toml"]).code, 0);
}

#[test]
fn thresholds_name_what_exists_and_windows_fit_into_the_run() {
    let with = |threshold: &str| {
        scenario(
            &format!("thresholds = ['{threshold}']"),
            &GET.replace("name = \"get\"", "name = \"get\"\ntags = [\"read\"]"),
        )
    };
    refused(
        Folder::new(),
        &with("step[\"geet\"].p(95) < 1s"),
        3,
        &["unknown `geet`", "did you mean `get`"],
    );
    let several = with("p(50) < 1s").replace(
        "thresholds = ['p(50) < 1s']",
        "thresholds = [\n  'step[\"get\"].p(50) < 1s',\n  \"step[\\\"geet\\\"].p(95) < 1s\",\n]",
    );
    refused(Folder::new(), &several, 5, &["unknown `geet`"]);
    refused(
        Folder::new(),
        &with("tag[\"write\"].p(95) < 1s"),
        3,
        &["unknown `write`", "read"],
    );
    refused(
        Folder::new(),
        &with("await[\"PAID\"].max < 1s"),
        3,
        &["unknown `PAID`", "none in this scenario"],
    );
    refused(
        Folder::new(),
        &with("p(99) over 30s < 1s"),
        3,
        &["longer than the measured time", "20s"],
    );
    refused(
        Folder::new(),
        &with("latency < 1s"),
        3,
        &["unknown figure", "step[\"NAME\"]", "backlog_end"],
    );
    refused(
        Folder::new(),
        &with("error_rate < 5"),
        3,
        &["can't fail", "from 0 to 1", "did you mean `5%`"],
    );
    let fine = Folder::new().with("test.toml", &with("tag[\"read\"].p(95) over 20s < 1s"));
    assert_eq!(fine.loadgen(&["check", "test.toml"]).code, 0);
}

#[test]
fn what_json_has_no_number_for_and_columns_of_one_name_are_refused() {
    let body = |value: &str| {
        let request =
            format!("request = {{ method = \"POST\", path = \"/\", body = {{ x = {value} }} }}");
        scenario(
            "",
            &GET.replace("request = { method = \"GET\", path = \"/\" }", &request),
        )
    };
    for value in ["nan", "[inf]"] {
        refused(Folder::new(), &body(value), 12, &["no number in JSON"]);
    }
    let feeder = "[[feeders]]\nname = \"user\"\ncsv = \"users.csv\"\npick = \"sequential\"";
    refused(
        Folder::new().with("users.csv", "name,mail,mail\nann,a,b\n"),
        &scenario(feeder, GET),
        3,
        &["two columns have the name `mail`"],
    );
}

#[test]
fn a_threshold_that_may_abort_is_a_table_and_can_be_missed_before_the_end() {
    let with = |threshold: &str| scenario(&format!("thresholds = [{threshold}]"), GET);
    for (threshold, says) in [
        (
            "{ threshold = 'p(99) < 1s', abort = true, wait = '1s' }",
            "`delay`",
        ),
        (
            "{ threshold = 'p(99) < 1s', delay = '1s' }",
            "only with `abort = true`",
        ),
        (
            "{ threshold = 'journeys.completed >= 1', abort = true }",
            "can't abort a run",
        ),
        (
            "{ threshold = 'backlog_end == 0', abort = true }",
            "can't abort a run",
        ),
        (
            "{ threshold = 'latency < 1s', abort = true }",
            "unknown figure",
        ),
        ("5", "a threshold: \"p(99) < 20ms\""),
    ] {
        refused(Folder::new(), &with(threshold), 3, &[says]);
    }
    for threshold in [
        "{ threshold = 'p(99) < 1s', abort = true, delay = '10s' }",
        "{ threshold = 'journeys.completed over 5s >= 1', abort = true }",
        "{ threshold = 'journeys.completed >= 1', abort = false }",
    ] {
        let text = with(threshold);
        assert!(schema().is_valid(&json(&text)), "{threshold}");
        let fine = Folder::new().with("test.toml", &text);
        assert_eq!(fine.loadgen(&["check", "test.toml"]).code, 0, "{threshold}");
    }
    assert!(!schema().is_valid(&json(&with("{ threshold = 'p(99) < 1s', aborts = true }"))));
}

#[test]
fn what_can_not_be_carried_out_is_refused() {
    let rows = [
        (
            scenario(
                "",
                &GET.replace(
                    "path = \"/\"",
                    "path = \"/\", text = \"a\", form = { a = \"b\" }",
                ),
            ),
            10,
            "one body",
        ),
        (
            scenario(
                "[[feeders]]\nname = \"n\"\nitems = [1]\npick = \"random\"\nat_end = \"stop\"",
                GET,
            ),
            3,
            "sequential",
        ),
        (
            scenario(
                "[[teardown]]\nname = \"t\"\nrequest = { method = \"GET\", path = \"/\" }\nawait = { topic = \"t\", id = \"1\" }",
                GET,
            ),
            3,
            "can't wait",
        ),
        (
            scenario("", GET).replace("kind = \"open\"", "kind = \"open\"\nwarm_up = \"20s\""),
            6,
            "nothing of 20s",
        ),
        (
            scenario(
                "",
                "[[journeys.steps]]\nthink = { distribution = \"gauss\", mean = \"1s\" }\n",
            ),
            11,
            "log-normal",
        ),
        (
            scenario("", "[[journeys.steps]]\nname = \"nothing\"\n"),
            10,
            "has one action",
        ),
    ];
    for (text, line, says) in rows {
        refused(Folder::new(), &text, line, &[says]);
    }
}

#[test]
fn what_nobody_reads_is_told_as_a_warning() {
    let text = scenario(
        "[parameters]\nspare = 1\n[[feeders]]\nname = \"idle\"\nitems = [1]\npick = \"random\"",
        GET,
    );
    let ended = Folder::new()
        .with("test.toml", &text)
        .loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 0);
    assert!(
        ended.stdout.contains("feeder `idle`") && ended.stdout.contains("parameter `spare`"),
        "{}",
        ended.stdout
    );
}

fn schema() -> jsonschema::Validator {
    let ended = Folder::new().loadgen(&["schema"]);
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn every_scenario_of_the_repository_fits_the_schema_for_editors() {
    let schema = schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = [folder.clone(), folder.join("gallery")]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in files.filter(|p| p.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let problems: Vec<String> = schema
            .iter_errors(&json(&text))
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        seen += 1;
    }
    assert!(seen >= 12, "{seen} scenarios");
}

#[test]
fn what_the_program_refuses_by_its_keys_and_types_does_not_fit_the_schema() {
    let schema = schema();
    let good = scenario("thresholds = [\"p(99) < 1s\"]", GET);
    assert!(schema.is_valid(&json(&good)));
    for (right, wrong) in [
        ("duration = \"20s\"", "duratoin = \"20s\""),
        ("duration = \"20s\"", "duration = \"20 fortnights\""),
        ("kind = \"open\"", "kind = \"opne\""),
        ("\"GET\"", "\"GTE\""),
        ("name = \"get\"", "name = \"get\"\nrepeat = 0"),
        ("name = \"get\"", "name = \"get\"\nsteps = [{ requst = 1 }]"),
        ("p(99) < 1s", "p(99)"),
    ] {
        let text = good.replace(right, wrong);
        assert!(
            !schema.is_valid(&json(&text)),
            "the schema lets through: {wrong}"
        );
        let ended = Folder::new()
            .with("test.toml", &text)
            .loadgen(&["check", "test.toml"]);
        assert_eq!(ended.code, 2, "the program lets through: {wrong}");
    }
}

#[test]
fn new_writes_a_scenario_that_is_right_and_never_over_a_file() {
    let folder = Folder::new();
    assert_eq!(folder.loadgen(&["new", "shop"]).code, 0);
    let text = std::fs::read_to_string(folder.0.path().join("shop.toml")).unwrap();
    assert!(
        text.contains("name = \"shop\"") && !text.contains("my-scenario"),
        "{text}"
    );
    assert!(schema().is_valid(&json(&text)));
    assert_eq!(folder.loadgen(&["check", "shop.toml"]).code, 0);

    let folder = folder.with("mine.toml", "precious");
    let again = folder.loadgen(&["new", "mine.toml"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(
        std::fs::read_to_string(folder.0.path().join("mine.toml")).unwrap(),
        "precious"
    );
    for nameless in ["a b", "", ".toml"] {
        assert_eq!(folder.loadgen(&["new", nameless]).code, 2, "{nameless}");
    }
}

#[test]
fn a_file_that_is_named_without_its_ending_is_offered() {
    let folder = Folder::new().with("shop.toml", &scenario("", GET));
    let ended = folder.loadgen(&["check", "shop"]);
    assert_eq!(ended.code, 2);
    let flat = ended.flat();
    assert!(flat.contains("did you mean `shop.toml`?"), "{flat}");
}

#[test]
fn what_a_value_must_be_is_said_in_words_and_nothing_unlike_is_suggested() {
    let text = scenario("", GET);
    let rate = text.lines().find(|line| line.starts_with("rate = "));
    let rate = rate.unwrap();
    refused(
        Folder::new(),
        &text.replace(rate, "rate = \"20\""),
        1 + text.lines().position(|line| line == rate).unwrap(),
        &["allowed: a number"],
    );
    let ended = Folder::new()
        .with("test.toml", "name = \"test\"]\n")
        .loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 2);
    let flat = ended.flat();
    assert!(
        flat.contains("allowed:") && !flat.contains("did you mean"),
        "{flat}"
    );
}

#[test]
fn the_page_on_writing_scenarios_is_itself_a_scenario_that_is_right() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let pieces = page.split("```toml\n").skip(1);
    let text: String = pieces.map(|p| p.split("```").next().unwrap()).collect();

    let ended = Folder::new()
        .with("page.toml", &text)
        .loadgen(&["check", "page.toml"]);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stdout.contains("warning"), "{}", ended.stdout);
    assert!(schema().is_valid(&json(&text)));
}

#[test]
fn an_empty_name_is_refused_with_its_line() {
    let text = r#"name = "s"
description = "d"
[workload]
kind = "open"
rate = 1.0
duration = "1s"
[[journeys]]
name = "j"
[[journeys.steps]]
name = "get"
request = { method = "GET", path = "/" }
"#;
    for (name, line) in [("\"s\"", 1), ("\"j\"", 8), ("\"get\"", 10)] {
        for empty in ["\"\"", "\" \""] {
            let text = text.replace(&format!("name = {name}"), &format!("name = {empty}"));
            refused(Folder::new(), &text, line, &["a name is empty"]);
        }
    }
}
