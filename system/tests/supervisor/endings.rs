//! No service, Redis or socket folder is left behind, however the supervisor ends.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use crate::children::{children_of, mentioning};
use crate::customer::Customer;
use crate::program::{Program, ordershop, signal, until};

/// Thirteen services, the guard and Redis.
const CHILDREN: usize = 15;

/// The command, with the signals that end it by default: under `nohup` its parents ignore SIGHUP, and so would it.
fn hearing(command: Command) -> Command {
    let mut hearing = Command::new("sh");
    // Not every `env` can do it; where it can't, nobody ignores the signals as a rule.
    let script = r#"env --default-signal=HUP,QUIT true 2>/dev/null && exec env --default-signal=HUP,QUIT "$0" "$@"
exec "$0" "$@""#;
    hearing
        .args(["-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    hearing
}

async fn nobody_is_left_after(name: &str, mode: &[&str], children_min: usize) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let args = [&args, mode].concat();
    let mut program = Program::spawn(hearing(ordershop(&args)));
    let http = Customer::new(program.url().await);
    let customer = http.customer().await;
    let children = children_of(program.pid());
    assert!(children.len() >= children_min, "{children:?}");

    signal(program.pid(), name);
    program.ended().await;
    until("the end of everyone", || {
        let alive = children.iter().filter(|child| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        });
        (alive.count() == 0 && mentioning(dir.path()).is_empty()).then_some(())
    })
    .await;

    // Acknowledged writes are there for the next run in the same folder.
    let mut next = Program::start(&args);
    let http = Customer::new(next.url().await);
    let seen = http.get(&format!("/customer/{customer}")).await;
    assert!(seen.result().is_object());
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_nobody_is_left() {
    nobody_is_left_after("-TERM", &["--processes"], CHILDREN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigkill_nobody_is_left() {
    nobody_is_left_after("-KILL", &["--processes"], CHILDREN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_closed_terminal_or_sigquit_nobody_is_left() {
    nobody_is_left_after("-HUP", &[], 2).await;
    nobody_is_left_after("-QUIT", &["--processes"], CHILDREN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigkill_of_a_single_process_its_redis_is_not_left() {
    nobody_is_left_after("-KILL", &[], 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_again_right_after_sigkill_waits_for_the_old_redis() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut there = HashSet::new();
    for _ in 0..3 {
        let mut program = Program::start(&args);
        let http = Customer::new(program.url().await);
        for customer in &there {
            assert!(
                http.get(&format!("/customer/{customer}"))
                    .await
                    .result()
                    .is_object()
            );
        }
        there.insert(http.customer().await);
        let servers = mentioning(dir.path())
            .into_iter()
            .filter(|one| one.arguments[0].contains("-server"))
            .collect::<Vec<_>>();
        assert_eq!(servers.len(), 1, "{servers:?}");
        signal(program.pid(), "-KILL");
    }
    until("the end of everyone", || {
        mentioning(dir.path()).is_empty().then_some(())
    })
    .await;
}
