//! Tests measuring two systems in turns: the order of the runs, the files, the stopping rule, and revisions built from a repository.
//! Most systems are a script that points to a small system in memory; two are real.
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "support/program.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::shop::ordershop;
use support::{Played, SmallSystem, eventually, lines, open, program, signal, waiting};

/// An experiment in its own folder.
struct Ab {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Ab {
    fn scenario(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("test.toml"), text).unwrap();
        Self {
            folder,
            arguments: Vec::new(),
        }
    }

    fn arguments(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|a| (*a).to_owned());
        self.arguments.extend(arguments);
        self
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn command(&self, scenario: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command
            .args(["ab", scenario, "--out", "out"])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Ended {
        Ended::of(self.command("./test.toml").output().unwrap())
    }

    fn record(&self) -> Value {
        json(&self.out().join("ab.json"))
    }
}

/// Whether the comparison says this where a reader begins: before the first table of what was printed and of the file for a pull request,
/// and in the page's header.
fn says_first(ab: &Ab, ended: &Ended, what: &str) {
    let file = |name: &str| std::fs::read_to_string(ab.out().join(name)).unwrap();
    let unescaped = |text: String| text.replace('\\', "");
    for (text, end) in [
        (ended.stdout.clone(), "\n|"),
        (unescaped(file("comparison.md")), "\n|"),
        (file("comparison.html"), "</header>"),
    ] {
        let head = text.split(end).next().unwrap();
        assert!(
            head.len() < text.len() && head.contains(what),
            "{what}: {head}"
        );
    }
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_block_holds_two_runs_of_each_side_and_every_run_has_a_system_of_its_own() {
    let (a, b) = (Played::start(), Played::start());
    let ab = Ab::scenario(&open(100, "1s", "")).arguments(&[
        "--a",
        &a.command,
        "--b",
        &format!(
            "env SIDE=b '{}' up --more",
            b.command.trim_end_matches(" up")
        ),
        "--blocks",
        "2",
        "--duration",
        "200ms",
    ]);

    let ended = ab.run();

    assert!([0, 1, 3].contains(&ended.code), "{}", ended.stderr);
    let record = ab.record();
    assert_eq!(record["schema"], "loadgen-ab/1");
    assert_eq!(record["ended"], "blocks");
    let runs = record["runs"].as_array().unwrap();
    for block in runs.chunks(4) {
        let order: String = block.iter().map(|r| r["side"].as_str().unwrap()).collect();
        assert!(["abba", "baab"].contains(&order.as_str()), "{order}");
        for run in block {
            assert_eq!(run["seed"], block[0]["seed"]);
            assert_eq!(run["counts"], true);
            let report = ab.out().join(run["folder"].as_str().unwrap());
            assert_eq!(json(&report.join("report.json"))["seed"], run["seed"]);
        }
    }
    // The warm-up run of each side was made and deleted.
    assert_eq!((a.started(), b.started()), (5, 5));
    assert_eq!((a.stopped(), b.stopped()), (5, 5));
    assert!(!ab.out().join("warm-up").exists());
    let arguments = std::fs::read_to_string(b.folder.path().join("arguments")).unwrap();
    assert!(
        arguments.lines().all(|line| line
            .starts_with("up --more --listen 127.0.0.1:0 --durability everysec --data-dir /")),
        "{arguments}"
    );
    assert_eq!(lines(&ab.out().join("a/01/ordershop.log")), 1);
}

#[test]
fn a_side_gets_nothing_that_is_exported_for_something_else() {
    let (system, folder) = (SmallSystem::start(), tempfile::tempdir().unwrap());
    let body = format!("env >> environment\n{}", waiting(&system.url));
    let path = program(folder.path(), &body);
    let ab = Ab::scenario(&open(100, "1s", ""))
        .arguments(&["--a", path.to_str().unwrap(), "--null"])
        .arguments(&["--blocks", "1", "--duration", "100ms"]);
    let mut command = ab.command("./test.toml");
    command.env("THREADS", "7").env("LC_ALL", "C");

    let ended = Ended::of(command.output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}", ended.stderr);
    let environment = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    let count = |line: &str| environment.lines().filter(|l| *l == line).count();
    assert_eq!((count("LC_ALL=C"), count("THREADS=7")), (6, 0));
}

#[test]
fn a_comparison_that_is_lost_has_an_exit_code_of_its_own_and_an_unread_one_its_verdict() {
    let system = Played::start();
    let ab = || {
        Ab::scenario(&open(100, "1s", ""))
            .arguments(&["--a", &system.command, "--null"])
            .arguments(&["--blocks", "1", "--duration", "100ms"])
    };
    let full = std::fs::File::options().write(true).open("/dev/full");
    let (reader, unread) = std::io::pipe().unwrap();
    drop(reader);
    for (stdout, code) in [(Stdio::from(full.unwrap()), 5), (unread.into(), 3)] {
        let ab = ab();
        let output = ab.command("./test.toml").stdout(stdout).output().unwrap();
        let ended = Ended::of(output);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ab.out().join("comparison.html").is_file());
    }
}

#[test]
fn the_comparison_stands_in_the_folder_on_standard_output_and_can_be_made_again() {
    let system = Played::start();
    let ab = Ab::scenario(&open(100, "1s", "")).arguments(&[
        "--a",
        &system.command,
        "--null",
        "--blocks",
        "2",
        "--duration",
        "200ms",
    ]);

    let ended = ab.run();

    for file in ["comparison.json", "comparison.md", "comparison.html"] {
        assert!(ab.out().join(file).is_file(), "{file}: {}", ended.stderr);
    }
    let comparison = json(&ab.out().join("comparison.json"));
    assert_eq!(comparison["design"], "blocks");
    assert_eq!(comparison["units"], 2);
    assert_eq!(ab.record()["null_control"], true);
    assert!(
        ended.stdout.contains("response_time.p50"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("block 2 of at most 2"),
        "{}",
        ended.stderr
    );
    let again = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["compare", "out/a", "out/b", "--format", "json"])
        .current_dir(ab.folder.path())
        .output()
        .unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["figures"], comparison["figures"]);
}

#[test]
fn ctrl_c_compares_the_whole_blocks_and_leaves_no_system_behind() {
    let system = Played::start();
    let ab = Ab::scenario(&open(100, "1s", "")).arguments(&[
        "--a",
        &system.command,
        "--null",
        "--duration",
        "200ms",
        "--blocks",
        "1000",
        "--precision",
        "0%",
    ]);
    let child = ab.command("./test.toml").spawn().unwrap();
    let record = ab.out().join("ab.json");
    eventually("a whole block", || record.is_file());
    eventually("another run", || system.started() > 6);

    signal(&child, "INT");
    let ended = Ended::of(child.wait_with_output().unwrap());

    assert!([0, 1, 3].contains(&ended.code), "{}", ended.stderr);
    assert_eq!(ab.record()["ended"], "interrupted");
    let comparison = json(&ab.out().join("comparison.json"));
    assert!(comparison["units"].as_u64() >= Some(1));
    assert!(
        comparison["warnings"].to_string().contains("interrupted"),
        "{comparison}"
    );
    assert_eq!(system.started(), system.stopped());
}

#[test]
fn ctrl_c_before_the_first_block_has_nothing_to_compare_and_the_second_one_leaves_at_once() {
    let system = Played::start();
    system
        .system
        .behaviour
        .stalled
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let ab = Ab::scenario(&open(100, "1s", "")).arguments(&["--a", &system.command, "--null"]);
    let child = ab.command("./test.toml").spawn().unwrap();
    eventually("requests that wait", || system.system.requests() > 0);

    signal(&child, "INT");
    std::thread::yield_now();
    // The first interrupt waits for a request in flight, which never ends.
    let mut child = child;
    eventually("the end", || {
        signal(&child, "INT");
        child.try_wait().unwrap().is_some()
    });
    let ended = Ended::of(child.wait_with_output().unwrap());

    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(system.started(), system.stopped());
}

#[test]
fn an_invalid_run_is_made_once_more_and_then_its_block_is_left_out() {
    let system = Played::start();
    // No generator can always start within a microsecond of the intended time.
    let strict = open(100, "1s", "[limits]\nslip_p99_max = \"1us\"\n");
    let ab = Ab::scenario(&strict).arguments(&[
        "--a",
        &system.command,
        "--null",
        "--blocks",
        "1",
        "--duration",
        "100ms",
    ]);

    let ended = ab.run();

    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("INVALID"), "{}", ended.stderr);
    // Two runs of warm-up, then four runs, each repeated once.
    assert_eq!(system.started(), 10);
    let runs = ab.record()["runs"].clone();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 4);
    assert!(runs.iter().all(|r| r["counts"] == false));
}

#[test]
fn a_system_that_does_not_start_is_named_with_the_place_of_its_log() {
    let ab = Ab::scenario(&open(100, "1s", ""));
    let broken = program(ab.folder.path(), "echo 'no Redis here' >&2\nexit 7");
    let ab = ab.arguments(&["--a", broken.to_str().unwrap(), "--null"]);

    let ended = ab.run();

    assert_eq!(ended.code, 2);
    for part in ["A (", "exit status: 7", "warm-up/a/ordershop.log"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    let log = std::fs::read_to_string(ab.out().join("warm-up/a/ordershop.log"));
    assert_eq!(log.unwrap(), "no Redis here\n");
}

#[test]
fn what_can_not_be_done_is_refused_before_anything_starts() {
    for (arguments, expected) in [
        (&["--b", "true"][..], "--a <CMD>"),
        (&["--a", "true"], "--null"),
        (
            &["--a", "true", "--a-rev", "HEAD", "--b", "true"],
            "cannot be used with",
        ),
        (
            &["--a", "true", "--b", "true", "--null"],
            "cannot be used with",
        ),
        (
            &["--a", "no-such-program up", "--null"],
            "there is no program `no-such-program`",
        ),
        (
            &["--a", "./nowhere/ordershop up", "--null"],
            "`./nowhere/ordershop`",
        ),
        (&["--a", "true 'open", "--null"], "quotes closed"),
        (&["--a", "", "--null"], "is not a command"),
        (&["--a", "true", "--b-rev", "HEAD"], "need a git repository"),
        (&["--a", "true", "--null", "--precision", "3"], "3% or 0.03"),
        (&["--a", "true", "--null", "--blocks", "0"], "1..=1000"),
        (&["--a", "true", "--null", "--rate=-1"], "above 0"),
        (
            &["--a", "true", "--null", "--duration", "0s"],
            "longer than 0",
        ),
        (
            &["--a", "true", "--null", "--set", "x=1"],
            "no such parameter",
        ),
        (
            &["--a", "true", "--null", "--fail-on", "nonsense"],
            "nonsense",
        ),
    ] {
        let ended = Ab::scenario(&open(100, "1s", ""))
            .arguments(arguments)
            .run();
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_warm_up_that_leaves_nothing_and_a_folder_in_use_are_refused() {
    let text =
        open(100, "10s", "").replace("duration = \"10s\"", "duration = \"10s\"\nwarm_up = \"3s\"");
    let ab = Ab::scenario(&text).arguments(&["--a", "true", "--null"]);
    let ended = ab.run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("warm-up"), "{}", ended.stderr);

    let ab = Ab::scenario(&open(100, "1s", "")).arguments(&["--a", "true", "--null"]);
    std::fs::create_dir(ab.out()).unwrap();
    std::fs::write(ab.out().join("ab.json"), "{}").unwrap();
    let ended = ab.run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--out"), "{}", ended.stderr);
}

/// A repository whose revisions are scripts.
struct Repository {
    folder: PathBuf,
    builds: PathBuf,
}

impl Repository {
    fn new(folder: &Path) -> Self {
        let repository = Self {
            folder: folder.to_owned(),
            builds: folder.join("builds"),
        };
        repository.git(&["init", "--quiet"]);
        std::fs::write(folder.join(".gitignore"), "/target\n/out*\n/builds\n").unwrap();
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, program: &str) -> String {
        std::fs::write(self.folder.join("system.sh"), program).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a system"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn build(&self) -> String {
        format!(
            "git rev-parse HEAD >> {} && mkdir -p \"$CARGO_TARGET_DIR/release\" && cp system.sh \"$CARGO_TARGET_DIR/release/ordershop\" && chmod +x \"$CARGO_TARGET_DIR/release/ordershop\"",
            self.builds.display()
        )
    }
}

#[test]
fn revisions_are_built_once_a_commit_and_their_work_trees_are_removed() {
    let (first, second) = (Played::start(), Played::start());
    let ab = Ab::scenario(&open(100, "1s", ""));
    let repository = Repository::new(ab.folder.path());
    let script = |played: &Played| format!("#!/bin/sh\nexec {} \"$@\"\n", played.command);
    let old = repository.commit(&script(&first));
    let new = repository.commit(&script(&second));
    let ab = ab.arguments(&[
        "--a-rev",
        "HEAD~1",
        "--b-rev",
        "HEAD",
        "--build",
        &repository.build(),
        "--blocks",
        "1",
        "--duration",
        "100ms",
    ]);

    let once = ab.run();
    let record = ab.record();
    std::fs::rename(ab.out(), ab.folder.path().join("out-once")).unwrap();
    let twice = ab.run();

    assert_eq!((once.code, twice.code), (3, 3), "{}", once.stderr);
    assert_eq!(record["a"]["revision"], old);
    assert_eq!(record["b"]["revision"], new);
    let label = record["a"]["label"].as_str().unwrap();
    assert_eq!(label, format!("HEAD~1 ({})", &old[..12]));
    assert_eq!(lines(&repository.builds), 2, "{}", twice.stderr);
    assert!(twice.stderr.contains("built before"), "{}", twice.stderr);
    assert_eq!((first.started(), second.started()), (6, 6));
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_revision_that_is_unknown_or_does_not_build_is_refused() {
    let ab = Ab::scenario(&open(100, "1s", ""));
    let repository = Repository::new(ab.folder.path());
    repository.commit("#!/bin/sh\n");
    for (revision, build, expected) in [
        ("no-such-branch", "true", "names no commit"),
        (
            "HEAD",
            "echo 'it does not compile'; exit 5",
            "exit status: 5",
        ),
        ("HEAD", "true", "wrote no program"),
    ] {
        let arguments = ["--null", "--a-rev", revision, "--build", build];
        let output = ab.command("./test.toml").args(arguments).output().unwrap();
        let ended = Ended::of(output);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "", "what a build says is not the comparison");
    }
}

/// Compares the real system with one that wastes several times its work; short runs of a debug build suffice for that.
fn real(a: &str, b: &str, blocks: &str, confidence: &str) -> (Ab, Ended) {
    let ab = Ab::scenario("").arguments(&[
        "--a",
        a,
        "--b",
        b,
        "--blocks",
        blocks,
        "--confidence",
        confidence,
        "--rate",
        "20",
        "--duration",
        "500ms",
        "--set",
        "products=20",
        "--set",
        "customers=20",
    ]);
    let ended = Ended::of(ab.command("checkout").output().unwrap());
    (ab, ended)
}

#[test]
fn the_real_system_is_not_worse_than_itself() {
    let up = format!("{} up", ordershop().display());
    // At the default confidence, chance alone makes it worse once in forty times.
    let (ab, ended) = real(&up, &up, "2", "99.9%");
    assert!(
        [0, 3].contains(&ended.code),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(json(&ab.out().join("comparison.json"))["units"], 2);
}

#[test]
fn a_real_system_that_wastes_several_times_its_work_is_worse() {
    let up = format!("{} up", ordershop().display());
    let (_, ended) = real(&up, &format!("{up} --burn-us-per-event 4000"), "3", "95%");
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("cpu_per_journey"), "{}", ended.stdout);
}

/// Another address of this machine (on Linux), which is not known to be one.
const ELSEWHERE: &str = "-127.0.0.2";

/// A Redis of the test's own, with a key in it.
struct RunningRedis {
    child: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for RunningRedis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl RunningRedis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = Command::new("redis-server")
            // An address that isn't there is passed over.
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                ELSEWHERE,
            ])
            .args(["--save", "", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self {
            child,
            port,
            _folder: folder,
        };
        eventually("Redis answers", || {
            redis.says("PING").as_deref() == Some("+PONG")
        });
        redis
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As a server of another machine: its process can't be looked at.
    fn url_elsewhere(&self) -> String {
        match cfg!(target_os = "linux") {
            true => self.url().replace("127.0.0.1", &ELSEWHERE[1..]),
            false => self.url(),
        }
    }

    /// The first line of the answer to an inline command.
    fn says(&self, command: &str) -> Option<String> {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    }
}

const SMALL: [&str; 10] = [
    "--blocks",
    "1",
    "--rate",
    "20",
    "--duration",
    "300ms",
    "--set",
    "products=20",
    "--set",
    "customers=20",
];

#[test]
fn a_shop_is_measured_on_two_running_servers_with_fresh_data_each_time() {
    ordershop();
    let (one, other) = (RunningRedis::start(), RunningRedis::start());
    let servers = ["--a-redis", &one.url(), "--b-redis", &other.url_elsewhere()];
    one.says("SET somebodys key");
    let refused = Ab::scenario("").arguments(&servers).arguments(&SMALL);
    let refused = Ended::of(refused.command("checkout").output().unwrap());
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("it holds 1 keys") && refused.stderr.contains("--empty-redis"),
        "{}",
        refused.stderr
    );
    let ab = Ab::scenario("")
        .arguments(&servers)
        .arguments(&SMALL)
        .arguments(&["--empty-redis"]);

    let ended = Ended::of(ab.command("checkout").output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}{}", ended.stdout, ended.stderr);
    let differ = [one.url(), other.url_elsewhere()].join(" → ");
    says_first(&ab, &ended, &format!("differs as asked: Redis, {differ}"));
    for (side, is_here) in [("a", true), ("b", cfg!(not(target_os = "linux")))] {
        let report = json(&ab.out().join(side).join("01/report.json"));
        let cpu = &report["resources"]["cpu_us_per_journey"];
        assert!(cpu["redis"].as_f64() > Some(0.0), "{side}: {cpu}");
        let cpu_of = &report["resources"]["processes_cpu_us_per_journey"];
        let is_read = cpu_of["redis-server"].is_number();
        assert_eq!(is_read, is_here, "{side}: {cpu_of}");
    }
    for redis in [&one, &other] {
        assert_eq!(redis.says("DBSIZE").as_deref(), Some(":0"));
    }
}

/// A server program of this folder: the installed one, with this setting. It notes its starts.
fn server_with(folder: &Path, setting: &str) -> PathBuf {
    let installed = Command::new("sh")
        .args(["-c", "command -v redis-server || command -v valkey-server"])
        .output()
        .unwrap();
    let installed = String::from_utf8(installed.stdout).unwrap();
    program(
        folder,
        &format!("exec {} \"$@\" {setting}", installed.trim()),
    )
}

#[test]
fn a_shop_is_measured_on_two_server_programs_each_on_its_side() {
    ordershop();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [a, b] = [(0, "--maxclients 5000"), (1, "--maxclients 6000")].map(|(at, setting)| {
        let server = server_with(folders[at].path(), setting);
        server.to_str().unwrap().to_owned()
    });
    let ab = Ab::scenario("")
        .arguments(&["--a-redis", &a, "--b-redis", &b])
        .arguments(&SMALL);

    let ended = Ended::of(ab.command("checkout").output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}{}", ended.stdout, ended.stderr);
    for folder in &folders {
        let asked = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
        let started = asked.lines().filter(|line| line.contains("--unixsocket "));
        assert_eq!(started.count(), 3, "the warm-up and two runs: {asked}");
    }
    let [one, other] = ["a", "b"].map(|side| {
        let report = json(&ab.out().join(side).join("01/report.json"));
        let environment = &report["environment"];
        ["redis_server", "redis_version"]
            .map(|key| environment[key].as_str().unwrap().to_owned())
            .join(" ")
    });
    let differ = format!("differs as asked: Redis, {one} ({a}) → {other} ({b})");
    says_first(&ab, &ended, &differ);
}

#[test]
fn sides_whose_commands_name_their_durability_differ_as_asked() {
    let up = format!("{} up", ordershop().display());
    let [a, b] = ["everysec", "always"].map(|value| format!("env DURABILITY={value} {up}"));
    let ab = Ab::scenario("").arguments(&["--a", &a, "--b", &b]);
    let ab = ab.arguments(&SMALL);

    let ended = Ended::of(ab.command("checkout").output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}{}", ended.stdout, ended.stderr);
    for (side, durability) in [("a", "everysec"), ("b", "always")] {
        let report = json(&ab.out().join(side).join("01/report.json"));
        assert_eq!(report["environment"]["durability"], durability);
    }
    says_first(
        &ab,
        &ended,
        "differs as asked: durability, everysec → always",
    );
}

#[test]
fn a_difference_that_was_asked_for_is_named_and_found_again_and_three_values_share_the_risk() {
    ordershop();
    let ab = Ab::scenario("")
        .arguments(&["--vary", "durability=everysec,none,everysec"])
        .arguments(&SMALL);

    let ended = Ended::of(ab.command("checkout").output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}{}", ended.stdout, ended.stderr);
    let durability = |side: &str| {
        let report = json(&ab.out().join(side).join("02/report.json"));
        report["environment"]["durability"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        ["a", "b", "c"].map(durability),
        ["everysec", "none", "everysec"]
    );
    let set = json(&ab.out().join("comparison.json"));
    assert_eq!(set["schema"], "loadgen-comparisons/1");
    let comparisons = set["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 2);
    assert_eq!(comparisons[0]["asked"][0]["candidate"], "none");
    assert_eq!(comparisons[1]["sharing_risk"], 2);
    says_first(&ab, &ended, "differs as asked: durability, everysec → none");
    let again = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["compare", "out/a", "out/b"])
        .current_dir(ab.folder.path())
        .output()
        .unwrap();
    let again = Ended::of(again);
    assert_eq!(again.code, 3, "{}", again.stderr);
    assert!(
        again.stdout.contains("differs as asked"),
        "{}",
        again.stdout
    );
}

/// The real system behind a script that leaves so many words of its command line out.
fn forgetful(folder: &Path, words: usize) -> PathBuf {
    let system = ordershop();
    let body = format!("shift {words}\nexec {} up \"$@\"", system.display());
    program(folder, &body)
}

#[test]
fn each_option_of_the_real_system_can_be_varied_and_one_that_it_did_not_get_is_found_out() {
    for (option, first, other) in [
        ("threads", "1", "2"),
        ("processes", "no", "yes"),
        ("burn-us-per-event", "0", "50"),
        ("projection-linger-ms", "10", "1"),
        ("mail-linger-ms", "10", "1"),
        ("body-bytes-max", "8388608", "100000"),
    ] {
        let vary = format!("{option}={other},{first}");
        let folder = tempfile::tempdir().unwrap();
        let words = if option == "processes" { 2 } else { 3 };
        let forgetful = forgetful(folder.path(), words);
        let ab = Ab::scenario("")
            .arguments(&["--a", &format!("{} up", forgetful.display())])
            .arguments(&["--vary", &vary])
            .arguments(&SMALL);

        let ended = Ended::of(ab.command("checkout").output().unwrap());

        assert_eq!(ended.code, 2, "{vary}: {}", ended.stderr);
        let says =
            format!("{option} `{other}` was asked for, but the system says that it has `{first}`");
        assert!(ended.stderr.contains(&says), "{says}: {}", ended.stderr);
    }
    let up = format!(
        "{} up --threads 2 --burn-us-per-event 5 --projection-linger-ms 1 --body-bytes-max 100000",
        ordershop().display()
    );
    let ab = Ab::scenario("")
        .arguments(&["--a", &up, "--vary", "processes=no,yes"])
        .arguments(&SMALL);

    let ended = Ended::of(ab.command("checkout").output().unwrap());

    assert_eq!(ended.code, 3, "one block: {}{}", ended.stdout, ended.stderr);
    for (side, processes) in [("a", false), ("b", true)] {
        let report = json(&ab.out().join(side).join("01/report.json"));
        let options = &report["environment"]["system_options"];
        assert_eq!(options["processes"], processes, "{options}");
        assert_eq!(options["threads"], 2, "{options}");
        assert_eq!(options["burn-us-per-event"], 5, "{options}");
    }
    says_first(&ab, &ended, "differs as asked: --processes, no → yes");
    assert!(
        !ended.stdout.contains("different options"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_side_that_is_not_what_it_was_asked_to_be_and_options_that_contradict_are_refused() {
    let played = Played::start();
    for (arguments, says) in [
        (
            &["--vary", "durability=everysec,always"][..],
            "`everysec` was asked for, but the system says that it has `none`",
        ),
        (
            &["--vary", "durability=everysec,often"],
            "no value of durability",
        ),
        (&["--vary", "durability=always"], "give 2 to 8 values"),
        (&["--vary", "listen=a,b"], "free port"),
        (
            &["--vary", "threads=2,3"],
            "threads `2` was asked for, but the system says that it has `3`",
        ),
        (
            &["--durability", "none", "--vary", "durability=none,always"],
            "leave one of them out",
        ),
        (
            &[
                "--a-redis",
                "redis-server",
                "--vary",
                "redis=redis-server,redis-server",
            ],
            "leave one of them out",
        ),
        (&["--b-redis", "/nowhere/redis-server"], "no such program"),
    ] {
        let ended = Ab::scenario(&open(100, "1s", ""))
            .arguments(&["--a", &played.command])
            .arguments(arguments)
            .run();
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
}

#[test]
fn sides_that_differ_in_what_was_not_asked_for_are_refused_after_the_warm_up_unless_told_to() {
    let (a, b) = (Played::start(), tempfile::tempdir().unwrap());
    // A service without /health: its durability is unknown.
    let other = SmallSystem::start();
    other
        .behaviour
        .says_nothing
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let path = program(b.path(), &waiting(&other.url));
    let sides = |more: &[&str]| {
        Ab::scenario(&open(100, "1s", ""))
            .arguments(&["--a", &a.command, "--b", path.to_str().unwrap()])
            .arguments(&["--blocks", "1", "--duration", "100ms"])
            .arguments(more)
            .run()
    };

    let refused = sides(&[]);
    let started = a.started();
    let allowed = sides(&["--allow-different"]);

    assert_eq!((refused.code, started), (2, 1), "{}", refused.stderr);
    for part in ["durability: `none`", "--vary", "--allow-different"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(allowed.code, 3, "{}", allowed.stderr);
    assert!(
        allowed.stdout.contains("different, but compared"),
        "{}",
        allowed.stdout
    );
}
