//! Closed workloads whose number of users changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::journeys::ROOM;
use crate::service::{Folder, Service};

fn scenario(workload: &str) -> String {
    format!(
        "name = \"t\"\ndescription = \"d\"\nthresholds = [\"journeys.completed > 0\"]\n{ROOM}[workload]\nkind = \"closed\"\n{workload}\n[[journeys]]\nname = \"j\"\n[[journeys.steps]]\nname = \"get\"\nrequest = {{ method = \"GET\", path = \"/\" }}\n"
    )
}

#[test]
fn users_come_and_go_as_the_stages_say() {
    // How many requests came in each half second: every user sends one in 50 ms.
    let started = Arc::new(Mutex::new(None::<Instant>));
    let counts = Arc::new(Mutex::new(HashMap::<u128, usize>::new()));
    let (first, counted) = (started.clone(), counts.clone());
    let service = Service::start(move |_| {
        let since = *first.lock().unwrap().get_or_insert_with(Instant::now);
        *counted
            .lock()
            .unwrap()
            .entry(since.elapsed().as_millis() / 500)
            .or_default() += 1;
        (200, String::new())
    });
    let stages = r#"think_time = "50ms"
stages = [{ duration = "500ms", users = 1 }, { duration = "500ms", users = 8 }, { duration = "500ms", users = 0 }, { duration = "500ms", users = 4 }]"#;
    let folder = Folder::new().with("test.toml", &scenario(stages));

    let ended = folder.run("test.toml", &service, &["--drivers", "2"]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let counts = counts.lock().unwrap();
    let of = |half: u128| counts.get(&half).copied().unwrap_or(0);
    // Wide bounds: a busy machine sends less, and a stage's last journeys end in the next one.
    assert!(of(1) > of(0), "{counts:?}");
    assert!(of(2) < of(1) && of(2) < of(3), "{counts:?}");
    let workload = folder.report()["workload"]["description"].clone();
    assert_eq!(
        workload,
        "closed: 1 users for 500ms, 8 users for 500ms, 0 users for 500ms, 4 users for 500ms, think time 50ms"
    );
}

#[test]
fn the_command_line_scales_and_stretches_stages_of_users() {
    let service = Service::start(|_| (200, String::new()));
    let stages = "stages = [{ duration = \"10s\", to = 10 }, { duration = \"10s\", users = 10 }]";
    let folder = Folder::new().with("test.toml", &scenario(stages));

    let ended = folder.run(
        "test.toml",
        &service,
        &["--users", "4", "--duration", "400ms"],
    );

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        folder.report()["workload"]["description"],
        "closed: 0 → 4 users in 200ms, 4 users for 200ms, think time none"
    );
}

#[test]
fn stages_of_the_other_kind_are_refused() {
    for (workload, says) in [
        ("stages = [{ duration = \"1s\", rate = 5.0 }]", "no rate"),
        (
            "stages = [{ duration = \"1s\", users = 0 }]",
            "out of range",
        ),
        (
            "stages = [{ duration = \"1s\", to = 1.5 }]",
            "whole numbers",
        ),
        (
            "stages = [{ duration = \"1s\" }]",
            "needs its rate, or its users",
        ),
        ("stages = []", "out of range"),
        (
            "users = 3\nstages = [{ duration = \"1s\", users = 3 }]",
            "`users` and `duration`, or `stages",
        ),
        ("users = 3", "needs its users"),
    ] {
        let folder = Folder::new().with("test.toml", &scenario(workload));
        let ended = folder.loadgen(&["check", "test.toml"]);
        assert_eq!(ended.code, 2, "{workload}: {}", ended.stdout);
        assert!(ended.flat().contains(says), "{workload}: {}", ended.stderr);
    }
    let open = scenario("stages = [{ duration = \"1s\", users = 3 }]").replace("closed", "open");
    let ended = Folder::new()
        .with("test.toml", &open)
        .loadgen(&["check", "test.toml"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.flat().contains("open workload has no users"),
        "{}",
        ended.stderr
    );
}
