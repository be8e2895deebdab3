//! Several targets in one scenario.

use crate::journeys::{ROOM, journeys, lines};
use crate::service::{Folder, Service};

const STEPS: &str = r#"
[[journeys.steps]]
target = "auth"
request = { method = "POST", path = "/token", text = "x" }
extract = { token = "/token" }
[[journeys.steps]]
request = { method = "GET", path = "/items", auth = { bearer = "{{token}}" } }
"#;

/// Set-up and tear-down have their target, too.
const AROUND: &str = r#"
[[setup]]
name = "tenant"
target = "auth"
request = { method = "POST", path = "/tenants", text = "x" }
[[teardown]]
name = "tenant"
target = "auth"
request = { method = "DELETE", path = "/tenants" }
"#;

fn service() -> Service {
    Service::start(|_| (200, r#"{"token": "t"}"#.into()))
}

#[test]
fn each_request_goes_to_the_target_that_its_step_names() {
    let (main, auth) = (service(), service());
    let text = journeys(
        1,
        &format!("[targets]\nauth = \"{}\"\n", auth.url),
        &format!("{STEPS}{AROUND}"),
    );
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.run("test.toml", &main, &[]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(lines(&main), ["GET /items"]);
    assert_eq!(
        lines(&auth),
        ["POST /tenants", "POST /token", "DELETE /tenants"]
    );
    assert_eq!(folder.report()["environment"]["targets"]["auth"], auth.url);
    let page = std::fs::read_to_string(folder.0.path().join("out/report.html")).unwrap();
    assert!(page.contains(&auth.url));
}

#[test]
fn the_command_line_changes_a_target_and_must_know_its_name() {
    let (main, auth) = (service(), service());
    let text = journeys(1, "[targets]\nauth = \"http://127.0.0.1:1\"\n", STEPS);
    let folder = Folder::new().with("test.toml", &text);

    let unreachable = folder.run("test.toml", &main, &[]);
    assert_eq!(unreachable.code, 2, "{}", unreachable.stdout);
    assert!(
        unreachable.flat().contains("the target `auth`"),
        "{}",
        unreachable.stderr
    );

    let given = format!("auth={}", auth.url);
    let ended = folder.run("test.toml", &main, &["--target", &given]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(lines(&auth), ["POST /token"]);

    for (given, says) in [
        ("atuh=http://127.0.0.1:1", "no such target; allowed: auth"),
        ("auth=ftp://a", "is not a URL"),
        ("http://127.0.0.1:2", "two URLs"),
    ] {
        let ended = folder.run("test.toml", &main, &["--target", given]);
        assert_eq!(ended.code, 2, "{given}: {}", ended.stdout);
        assert!(ended.flat().contains(says), "{given}: {}", ended.stderr);
    }
}

#[test]
fn a_scenario_whose_every_request_names_its_target_needs_no_other() {
    let auth = service();
    let steps = STEPS.replace(
        "[[journeys.steps]]\nrequest",
        "[[journeys.steps]]\ntarget = \"auth\"\nrequest",
    );
    let text = journeys(1, &format!("[targets]\nauth = \"{}\"\n", auth.url), &steps);
    let folder = Folder::new().with("test.toml", &text);

    let ended = folder.loadgen(&["run", "test.toml", "--out", "out"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(lines(&auth), ["POST /token", "GET /items"]);
}

#[test]
fn a_target_that_is_not_there_is_refused_with_its_line() {
    let check = |targets: &str, step: &str| {
        let text = format!(
            "name = \"t\"\ndescription = \"d\"\n{targets}{ROOM}[workload]\nkind = \"open\"\nrate = 1.0\nduration = \"1s\"\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\n{step}\n"
        );
        let ended = Folder::new()
            .with("test.toml", &text)
            .loadgen(&["check", "test.toml"]);
        assert_eq!(ended.code, 2, "{text}{}", ended.stdout);
        ended.flat()
    };
    let request = "request = { method = \"GET\", path = \"/\" }";
    for (targets, step, says) in [
        (
            "[targets]\nauth = \"http://a\"\n",
            format!("target = \"atuh\"\n{request}"),
            "did you mean `auth`?",
        ),
        (
            "",
            format!("target = \"auth\"\n{request}"),
            "a name of the table [targets]",
        ),
        (
            "[targets]\nauth = \"a:80\"\n",
            request.into(),
            "test.toml:4: the target `auth` is not a URL",
        ),
        (
            "[targets]\n\"a b\" = \"http://a\"\n",
            request.into(),
            "not a target's name",
        ),
        (
            "[targets]\nauth = \"http://a\"\n",
            "target = \"auth\"\nthink = \"1s\"".into(),
            "only a request has a target",
        ),
    ] {
        let flat = check(targets, &step);
        assert!(flat.contains(says), "{says}: {flat}");
    }
}
