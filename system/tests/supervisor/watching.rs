//! The supervisor restarts killed children and logs it; every line of output names its process.

use crate::children::children_of;
use crate::program::{Program, health, signal, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_child_is_started_again_and_every_line_has_its_writers_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = ["up", "--processes", "--listen", "127.0.0.1:0"];
    let mut program = Program::start(&[&args[..], &["--data-dir", data]].concat());
    let url = program.url().await;
    let parent = program.pid();
    let mail = move || {
        children_of(parent)
            .into_iter()
            .find(|one| one.is("mail-service"))
    };
    let killed = mail().unwrap().pid;

    signal(killed, "-KILL");
    let next = until("the next mail service", || {
        mail().filter(|one| one.pid != killed)
    })
    .await;
    assert_ne!(next.pid, killed);
    let log = until("both lines", || {
        let log = program.log();
        let again = |line: &str| line.contains("mail-service") && line.contains("SIGKILL");
        let starts = log.matches("process=\"mail-service\" pid=").count();
        (log.lines().any(again) && starts == 2).then_some(log)
    })
    .await;
    let line = log.lines().find(|line| line.contains("SIGKILL")).unwrap();
    let ms = line.split("started again in ").nth(1).unwrap();
    let ms: u64 = ms.split(' ').next().unwrap().parse().unwrap();
    assert!(ms <= 20, "the first pause is short: {line}");

    // The system goes on, and every child has logged under its name.
    until("readiness", || health(&[&url]).0.then_some(())).await;
    let named = |name: &str| {
        let prefix = format!("{name:>17} | ");
        program.log().lines().any(|line| line.starts_with(&prefix))
    };
    for name in [
        "event-store",
        "message-queue",
        "mail-service",
        "api-gateway",
    ] {
        assert!(named(name), "{name} wrote nothing: {log}");
    }
    program.stop().await;
}
