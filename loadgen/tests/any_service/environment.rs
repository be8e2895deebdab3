//! Variables of the environment: where they go, and that their values are shown nowhere.

use std::path::Path;

use crate::journeys::{ROOM, journeys};
use crate::service::{Answered, Folder, Service};

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
fn it_is_shown_nowhere_in_whatever_code_a_target_repeats_it() {
    const VALUE: &str = "p@s/w \u{f6}\"<";
    let codes = [
        "p%40s%2fw%20%c3%b6%22%3c",
        "p%40s%2Fw+%C3%B6%22%3C",
        "p@s/w%20%C3%B6%22%3C",
        r#"p@s\/w \u00f6\"<"#,
        "p@s/w &#xf6;&quot;&lt;",
        "p%2540s%252Fw%2520%25C3%25B6%2522%253C",
        "7040732f7720c3b6223c",
    ];
    let service = Service::answering(move |asked| match asked.path.as_str() {
        "/moves" => Answered::new(302, "").header("location", format!("/to?key={}", codes[0])),
        path => match path.strip_prefix("/code/") {
            Some(number) => Answered::new(500, codes[number.parse::<usize>().unwrap()]),
            None => Answered::new(500, path),
        },
    });
    let paths = (0..codes.len()).map(|n| format!("/code/{n}"));
    // Cut in the middle of the value where errors show it.
    let long = ["/", &"x".repeat(138), "{{env.TEST_KEY|url}}"].concat();
    for path in paths.chain(["/moves".to_owned(), long]) {
        let steps = format!(
            "[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"{path}\", headers = {{ x-key = \"{{{{env.TEST_KEY|url}}}}\" }} }}\n"
        );
        let folder = Folder::new().with("test.toml", &journeys(1, "", &steps));
        let arguments = ["run", "test.toml", "--target", &service.url, "--out", "out"];

        let ended = folder.loadgen_with(&[("TEST_KEY", VALUE)], &arguments);

        assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
        let mut shown = vec![ended.stdout, ended.stderr];
        read_all(&folder.0.path().join("out"), &mut shown);
        assert!(shown.iter().any(|text| text.contains("***")), "{path}");
        for code in codes.into_iter().chain(["p%40s"]) {
            let in_json = serde_json::to_string(code).unwrap();
            for text in &shown {
                assert!(!text.contains(code), "{path}: {code} in {text}");
                assert!(
                    !text.contains(in_json.trim_matches('"')),
                    "{path}: {code} in {text}"
                );
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
