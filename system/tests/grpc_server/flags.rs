//! Errors on the command line and in the environment are reported at once, in words, with exit code 2.

use crate::authority::Authority;
use crate::program::{Program, ordershop, run};

/// An address without a Redis: the bad input under test ends the process before it needs one.
const NO_REDIS: &str = "redis+unix:///nowhere/redis.sock";

#[test]
fn bad_flags_end_it_with_code_2_and_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "one");
    let other = Authority::new(dir.path(), "other");
    let (cert, key) = (authority.cert.as_str(), authority.key.as_str());
    let no_pem = dir.path().join("no.pem");
    std::fs::write(&no_pem, "nothing").unwrap();
    let no_pem = no_pem.to_str().unwrap();
    let rows: &[(&[&str], &str)] = &[
        (&["event-store", "--listen", "here"], "host:port"),
        (&["event-store", "--listen", "unix://relative"], "absolute"),
        (&["event-store", "--threads", "0"], "1..=64"),
        (&["event-store", "--durability", "perhaps"], "everysec"),
        (&["event-store", "--redis-url", "http://x"], "Redis address"),
        (&["event-store", "--tls-cert", cert], "belong together"),
        (&["event-store", "--tls-key", key], "belong together"),
        (
            &["event-store", "--tls-cert", cert, "--tls-key", "/none.pem"],
            "/none.pem",
        ),
        (
            &["event-store", "--tls-cert", no_pem, "--tls-key", key],
            "CERTIFICATE",
        ),
        (
            &["event-store", "--tls-cert", cert, "--tls-key", cert],
            "PRIVATE KEY",
        ),
        (
            &["event-store", "--tls-cert", cert, "--tls-key", &other.key],
            "--tls-cert and --tls-key can't be used",
        ),
        (&["order-service", "--event-store-url", ":"], "http://host"),
        (
            &["order-service", "--event-store-url", "127.0.0.1:5001"],
            "http://host",
        ),
        (
            &["order-service", "--event-store-url", "https://127.0.0.1:1"],
            "--tls-ca",
        ),
        (
            &["order-service", "--tls-ca", &authority.ca],
            "must be https",
        ),
        (&["order-service", "--token", "a\nb"], "token"),
        (&["api-gateway", "--listen", "unix:///tmp/x"], "host:port"),
        (&["up", "--scale", "order-service=2"], "--processes"),
        (&["up", "--processes", "--scale", "x=2"], "order-service"),
        (&["up", "--processes", "--scale", "mail-service=0"], "1 to"),
        (&["payment-service"], "payment-service"),
    ];
    for (args, fragment) in rows {
        let mut command = ordershop(args);
        if args[0] != "up" && !args.contains(&"--listen") && args[0] != "payment-service" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let (code, said) = run(&mut command);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(fragment), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn beyond_this_machine_nothing_is_offered_without_certificate_and_token_unless_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "one");
    let tls = ["--tls-cert", &authority.cert, "--tls-key", &authority.key];
    for server in ["event-store", "message-queue"] {
        let open = [server, "--listen", "0.0.0.0:0", "--redis-url", NO_REDIS];
        for half in [&[][..], &tls, &["--token", "secret"]] {
            let (code, said) = run(&mut ordershop(&[&open, half].concat()));
            assert_eq!(code, Some(2), "{server} {half:?}: {said}");
            assert!(said.contains("--insecure"), "{server} {half:?}: {said}");
        }
        let both = [&tls[..], &["--token", "secret"]].concat();
        for allowed in [&["--insecure"][..], &both] {
            let program = Program::start(&[&open, allowed].concat());
            crate::program::until("its first words to Redis", || {
                let log = program.log();
                assert!(!log.contains("--insecure"), "{server}: {log}");
                (log.contains("WARN") || log.contains("rying again")).then_some(())
            })
            .await;
            program.stop().await;
        }
    }
}

#[test]
fn the_environment_says_the_same_as_the_flags() {
    for (name, value, fragment) in [
        ("LISTEN", "here", "host:port"),
        ("LISTEN", "0.0.0.0:0", "--insecure"),
        ("TLS_CERT", "/none.pem", "belong together"),
        ("INSECURE", "perhaps", "perhaps"),
        ("THREADS", "many", "many"),
    ] {
        let (code, said) = run(ordershop(&["message-queue"]).env(name, value));
        assert_eq!(code, Some(2), "{name}={value}: {said}");
        assert!(said.contains(fragment), "{name}={value}: {said}");
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set_but_for_a_token() {
    let mut command = ordershop(&["event-store", "--listen", "0.0.0.0:0"]);
    for name in [
        "REDIS_URL",
        "DURABILITY",
        "THREADS",
        "BODY_BYTES_MAX",
        "TLS_CERT",
        "REDIS_CA",
    ] {
        command.env(name, "");
    }
    let (code, said) = run(&mut command);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--insecure"), "as without them: {said}");
    let (code, said) = run(ordershop(&["up", "--listen", "nowhere"]).env("LISTEN", ""));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nowhere"), "{said}");
}

#[tokio::test]
async fn a_switch_in_the_environment_is_understood_in_every_way_it_is_written() {
    let open = [
        "event-store",
        "--listen",
        "0.0.0.0:0",
        "--redis-url",
        NO_REDIS,
    ];
    for off in ["", "0", "no", "false", "Off"] {
        let (code, said) = run(ordershop(&open).env("INSECURE", off));
        assert_eq!(code, Some(2), "{off:?}: {said}");
        assert!(said.contains("--insecure"), "{off:?}: {said}");
    }
    for on in ["1", "yes", "TRUE", "on"] {
        let mut command = ordershop(&open);
        command.env("INSECURE", on);
        let program = Program::spawn(command);
        crate::program::until("its first words to Redis", || {
            let log = program.log();
            log.contains("can't be reached").then_some(())
        })
        .await;
        program.stop().await;
    }
}

#[test]
fn its_version_says_the_build_profile() {
    let (code, said) = run(&mut ordershop(&["--version"]));

    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said, format!("ordershop {}\n", ordershop::build::VERSION));
}

#[test]
fn completions_and_man_pages_know_every_service_and_command() {
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("man1");
    let printed = |args: &[&str]| {
        let output = ordershop(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let bash = printed(&["completions", "bash"]);
    printed(&["man", man.to_str().unwrap()]);

    for command in [
        "up",
        "health",
        "dead-letters",
        "order-service",
        "event-store",
    ] {
        assert!(bash.contains(command), "{command}");
        let page = std::fs::read_to_string(man.join(format!("ordershop-{command}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{page}");
    }
    assert!(!man.join("ordershop-redis-guard.1").exists());
    let script = dir.path().join("completions.bash");
    std::fs::write(&script, bash).unwrap();
    let mut check = std::process::Command::new("bash");
    assert!(check.arg("-n").arg(script).status().unwrap().success());
}
