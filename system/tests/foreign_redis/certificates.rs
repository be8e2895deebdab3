//! `rediss://` with an authority and a client certificate.

use crate::authority::Authority;
use crate::customer::Customer;
use crate::program::{Program, ordershop, run};
use crate::redis_server::{ForeignRedis, free_port};
use crate::shopping::buys;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_the_shop_works_and_a_missing_certificate_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let one = Authority::new(dir.path(), "one");
    let other = Authority::new(dir.path(), "other");
    let port = free_port().to_string();
    let _redis = ForeignRedis::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &one.cert,
        "--tls-key-file",
        &one.key,
        "--tls-ca-cert-file",
        &one.ca,
        "--tls-auth-clients",
        "yes",
    ])
    .await;
    let url = format!("rediss://127.0.0.1:{port}");
    let up = ["up", "--listen", "127.0.0.1:0", "--redis-url", &url];
    let (ca, cert, key) = (
        ["--redis-ca", &one.ca],
        ["--redis-cert", &one.cert],
        ["--redis-key", &one.key],
    );
    for mode in [&[][..], &["--processes"]] {
        let mut program = Program::start(&[&up, mode, &ca, &cert, &key].concat());
        buys(&Customer::new(program.url().await)).await;
        program.stop().await;
    }
    // The environment says the same as the flags.
    let mut command = ordershop(&up);
    command
        .env("REDIS_CA", &one.ca)
        .env("REDIS_CERT", &one.cert)
        .env("REDIS_KEY", &one.key);
    let mut program = Program::spawn(command);
    program.ready().await;
    program.stop().await;

    let rows: [(&[&str], &str); 5] = [
        (&[&cert[..], &key].concat(), "--redis-ca"),
        (
            &[&["--redis-ca", &other.ca][..], &cert, &key].concat(),
            "--redis-ca",
        ),
        (&ca, "--redis-cert"),
        (&[&ca[..], &cert].concat(), "--redis-key"),
        (&["--redis-ca", "/none.pem"], "/none.pem"),
    ];
    for (args, fragment) in rows {
        let (code, said) = run(&mut ordershop(&[&up, args].concat()));
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(fragment), "{args:?}: {said}");
    }
}
