//! Variables of the environment: where they go, and that their values are shown nowhere.

use std::path::Path;

use crate::journeys::{ROOM, journeys};
use crate::service::{Folder, Service};

const SECRET: &str = "Tr0ub4dor&3 \"quoted\"";

#[test]
fn a_variable_of_the_environment_is_sent_and_shown_nowhere() {
    // A target that repeats all it was told: as it is, in JSON, percent-encoded, and as base64.
    let service = Service::start(|asked| {
        let told =
            serde_json::json!({ "headers": asked.headers, "body": asked.body, "path": asked.path });
        (500, told.to_string())
    });
    let steps = r#"
[[journeys.steps]]
name = "get"
request = { method = "POST", path = "/a", query = { key = "{{env.TEST_KEY}}" }, form = { key = "{{env.TEST_KEY}}" }, headers = { x-key = "{{env.TEST_KEY}}", x-encoded = "{{env.TEST_KEY|base64}}" }, auth = { basic = { user = "{{user}}", password = "{{env.TEST_KEY}}" } } }
"#;
    let text = journeys(1, "[parameters]\nuser = \"ann\"\n", steps);
    let folder = Folder::new().with("test.toml", &text);
    let arguments = [
        "run",
        "test.toml",
        "--target",
        &service.url,
        "--out",
        "out",
        "--progress",
        "json",
    ];

    let ended = folder.loadgen_with(&[("TEST_KEY", SECRET)], &arguments);

    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let asked = &service.asked()[0];
    assert_eq!(asked.headers["x-key"], SECRET);
    // `printf 'ann:Tr0ub4dor&3 "quoted"' | base64`
    let basic = "YW5uOlRyMHViNGRvciYzICJxdW90ZWQi";
    assert_eq!(asked.headers["authorization"], format!("Basic {basic}"));
    let mut shown = vec![ended.stdout, ended.stderr];
    read_all(&folder.0.path().join("out"), &mut shown);
    assert!(shown.iter().any(|text| text.contains("status 500")));
    for text in &shown {
        for form in [SECRET, "Tr0ub4dor", &asked.headers["x-encoded"], basic] {
            assert!(!text.contains(form), "{form} in {text}");
        }
    }
}

fn read_all(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, texts),
            false => {
                texts.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
            }
        }
    }
}

#[test]
fn a_failure_in_set_up_does_not_show_it_either() {
    let service = Service::start(|asked| (500, asked.path.clone()));
    let text = format!(
        "name = \"test\"\ndescription = \"d\"\n{ROOM}[workload]\nkind = \"open\"\nrate = 1.0\nduration = \"1s\"\n\
         [[setup]]\nname = \"s\"\nrequest = {{ method = \"GET\", path = \"/{{{{env.TEST_KEY}}}}\" }}\n\
         [[journeys]]\nname = \"j\"\nsteps = [{{ request = {{ method = \"GET\", path = \"/\" }} }}]\n"
    );
    let folder = Folder::new().with("test.toml", &text);
    let arguments = ["run", "test.toml", "--target", &service.url, "--out", "out"];

    let ended = folder.loadgen_with(&[("TEST_KEY", "abc-123")], &arguments);

    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("status 500: /***"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("abc-123"), "{}", ended.stderr);
}

#[test]
fn an_undefined_variable_is_refused_with_its_line_unless_it_has_a_default() {
    let folder = Folder::new();
    let check = |path: &str| {
        let steps =
            format!("[[journeys.steps]]\nrequest = {{ method = \"GET\", path = \"/{path}\" }}\n");
        let text = journeys(1, "", &steps);
        let line = 1 + text
            .lines()
            .position(|line| line.contains("{{env") || line.contains("|hmac"))
            .unwrap();
        std::fs::write(folder.0.path().join("test.toml"), text).unwrap();
        let ended = folder.loadgen(&["check", "test.toml"]);
        (ended.code, ended.flat(), line)
    };
    for (path, says) in [
        (
            "{{env.NO_SUCH_NAME}}",
            "the environment has no variable `NO_SUCH_NAME`",
        ),
        (
            "{{number|hmac:env.NO_SUCH_NAME}}",
            "the environment has no variable `NO_SUCH_NAME`",
        ),
        ("{{env}}", "needs the name of a variable"),
    ] {
        let (code, flat, line) = check(path);
        assert_eq!(code, 2, "{path}: {flat}");
        assert!(flat.contains(says), "{path}: {flat}");
        assert!(
            flat.contains(&format!("test.toml:{line}:")),
            "{path}, line {line}: {flat}"
        );
    }
    let (code, flat, _) = check("{{env.NO_SUCH_NAME|default:x}}");
    assert_eq!(code, 0, "{flat}");
}
