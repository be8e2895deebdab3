//! `loadgen run --profile`: the CPU of the started system and of its Redis is sampled with `perf`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "support/program.rs"]
mod support;

use support::script;
use support::shop::ordershop;
use support::{Ended, Loadgen, SmallSystem, eventually, exists, open, program, signal, waiting};

/// New customers, 100 a second.
fn customers(duration: &str) -> String {
    let step = "request = { method = \"GET\", path = \"/thing\" }\nexpect = { exist = [\"/result/entity_id\"] }\n";
    let post = "request = { method = \"POST\", path = \"/customer\", body = { name = \"Ada\", email = \"ada@example.com\" } }\n";
    let text = open(100, duration, "");
    assert!(text.contains(step));
    text.replace(step, post)
}

/// A profiled run on a shop of its own; `None`, which is told, where perf can't sample.
fn profiled(duration: &str) -> Option<Loadgen> {
    let folder = tempfile::tempdir().unwrap();
    let mut perf = Command::new("perf");
    perf.args(["record", "--call-graph", "dwarf,4096", "--output"]);
    perf.arg(folder.path().join("data")).args(["--", "true"]);
    let tried = perf.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        // Many machines that build and test forbid it, so it is no tool that must be there.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: perf can't sample here");
        return None;
    }
    let shop = ordershop();
    let run = Loadgen::scenario(&customers(duration));
    Some(run.arguments(&["--profile", "--system-bin", shop.to_str().unwrap()]))
}

/// Panics unless each tag is closed in the right order and all text is escaped.
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split([' ', '\n']).next().unwrap()),
        }
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        for entity in text.split('&').skip(1) {
            let known = ["lt;", "gt;", "amp;", "quot;"];
            assert!(known.iter().any(|k| entity.starts_with(k)), "{text}");
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// The folded stacks of the system and of its Redis, after a look at their flame graphs.
fn stacks(out: &Path) -> [String; 2] {
    assert!(!exists(out, "perf.data") && !exists(out, "perf.log"));
    ["system", "redis"].map(|name| {
        let read = |file: String| std::fs::read_to_string(out.join(file)).unwrap();
        let svg = read(format!("flame-{name}.svg"));
        well_formed(&svg);
        let stacks = read(format!("stacks-{name}.txt"));
        let frames = stacks.lines().filter_map(|line| line.rsplit_once(' '));
        let of_all = frames.map(|(_, samples)| samples.parse::<u64>().unwrap());
        assert!(of_all.sum::<u64>() > 0);
        stacks
    })
}

fn warnings(ended: &Ended) -> String {
    ended.report()["warnings"].to_string()
}

#[test]
fn a_profiled_run_has_flame_graphs_and_stacks_of_the_system_and_of_its_redis() {
    let Some(run) = profiled("3s") else {
        return;
    };

    let ended = run.run();

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let [system, redis] = stacks(&ended.out);
    for said in ["ordershop up;tokio-rt-worker;", ";tokio::runtime::"] {
        assert!(system.contains(said), "{said}: {system}");
    }
    assert!(!system.contains("redis-server"), "{system}");
    assert!(redis.contains("redis-server;"), "{redis}");
    let function = redis.lines().find_map(|line| {
        let (_, own) = line.rsplit_once(' ')?.0.rsplit_once(';')?;
        own.chars().all(|c| c.is_alphanumeric()).then_some(own)
    });
    let svg = std::fs::read_to_string(ended.out.join("flame-redis.svg")).unwrap();
    let title = format!("<title>{}\n", function.unwrap());
    assert!(svg.contains(&title), "{title}");
    let files = "flame-system.svg, flame-redis.svg beside the report";
    for shown in ["Where the CPU goes", files, "the run was profiled"] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
        let page = std::fs::read_to_string(ended.out.join("report.html")).unwrap();
        assert!(page.contains(shown), "{shown}");
    }
    std::fs::remove_file(ended.out.join("flame-redis.svg")).unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["report".as_ref(), ended.out.as_os_str()])
        .output();
    assert!(again.unwrap().status.success());
    let drawn = std::fs::read_to_string(ended.out.join("flame-redis.svg"));
    assert_eq!(drawn.unwrap(), svg);
    let programs = &ended.report()["profile"]["programs"];
    assert_eq!(
        (&programs[0]["name"], &programs[1]["name"]),
        (&"system".into(), &"redis".into())
    );
}

#[test]
fn ctrl_c_keeps_what_was_sampled() {
    let Some(run) = profiled("60s") else {
        return;
    };
    let data = run.out().join("perf.data");
    let child = run.start();
    eventually("samples", || {
        data.metadata().is_ok_and(|data| data.len() > 200_000)
    });

    signal(&child, "INT");
    let ended = run.ended(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 4, "{}{}", ended.stdout, ended.stderr);
    stacks(&ended.out);
    assert!(
        !warnings(&ended).contains("profile:"),
        "{}",
        warnings(&ended)
    );
}

/// Runs with a `perf` of this body in the place of the machine's, and with a system that notes its start in the folder.
fn with_perf(body: Option<&str>, folder: &Path, system: &SmallSystem) -> Ended {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    if let Some(body) = body {
        script(&bin.join("perf"), body);
    }
    // Only what scripts need, so that no other perf is found.
    for tool in ["sh", "sleep", "touch", "kill"] {
        let found = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|tool| tool.exists()).unwrap();
        std::os::unix::fs::symlink(found, bin.join(tool)).unwrap();
    }
    let shop = program(folder, &waiting(&system.url));
    let run = Loadgen::scenario(&open(50, "1s", ""));
    let run = run.arguments(&["--profile", "--system-bin", shop.to_str().unwrap()]);
    let output = run.command().env("PATH", &bin).output().unwrap();
    run.ended(output)
}

#[test]
fn where_perf_is_missing_or_forbidden_nothing_is_started_and_the_error_says_what_to_do() {
    let system = SmallSystem::start();
    let forbidden = "echo Error: >&2\necho Access is limited. >&2\nexit 255";
    for (perf, says) in [
        (None, ["there is no `perf` on PATH", "linux-perf"]),
        (
            Some(forbidden),
            [
                "(Access is limited.)",
                "sysctl kernel.perf_event_paranoid=1",
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();

        let ended = with_perf(perf, folder.path(), &system);

        assert_eq!(ended.code, 2, "{}", ended.stderr);
        for said in says {
            assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        }
        assert!(!exists(folder.path(), "arguments"), "it was started");
    }
}

#[test]
fn a_target_that_was_not_started_here_is_not_profiled() {
    let system = SmallSystem::start();
    let run = Loadgen::scenario(&open(50, "1s", "")).target(&system);

    let ended = run.arguments(&["--profile"]).run();

    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let says = "--profile is for a system that is started here";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    assert_eq!(system.requests(), 0);
}

#[test]
fn samples_that_cant_be_read_are_kept_and_the_report_is_written() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let perf = "
if [ $1 = script ]; then echo broken >&2; exit 3; fi
case \"$*\" in *\" -- true\") exit 0;; esac
touch out/perf.data
trap 'exit 0' INT
while :; do sleep 0.05; done";

    let ended = with_perf(Some(perf), folder.path(), &system);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = warnings(&ended);
    assert!(
        told.contains("there are no stacks: perf script: broken"),
        "{told}"
    );
    assert!(exists(&ended.out, "perf.data"));
}
