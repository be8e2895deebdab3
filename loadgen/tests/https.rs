//! Targets behind TLS: how their certificates are verified.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use support::{Loadgen, SmallSystem, open};

/// A system with a self-signed certificate for 127.0.0.1, and the certificate (PEM).
fn system() -> (SmallSystem, String) {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    (SmallSystem::start_tls(config), signed.cert.pem())
}

#[test]
fn a_target_whose_authority_is_named_is_driven_over_tls() {
    let (system, certificate) = system();
    let run = Loadgen::scenario(&open(100, "1s", "")).target(&system);
    let ca = run.folder.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let ended = run.arguments(&["--tls-ca", ca.to_str().unwrap()]).run();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.report()["journeys"]["completed"], 100);
    assert!(
        ended.report()["environment"]["target"]
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_before_the_run_unless_any_is_believed() {
    let (system, _) = system();
    let refused = Loadgen::scenario(&open(100, "1s", ""))
        .target(&system)
        .run();
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert_eq!(system.requests(), 0);
    let believed = Loadgen::scenario(&open(100, "1s", ""))
        .target(&system)
        .arguments(&["--insecure-tls"])
        .run();
    assert_eq!(believed.code, 0, "{}", believed.stderr);
    assert_eq!(system.requests(), 100);
}

#[test]
fn a_file_without_a_certificate_is_bad_input() {
    let (system, _) = system();
    let run = Loadgen::scenario(&open(100, "1s", "")).target(&system);
    let ca = run.folder.path().join("ca.pem");
    std::fs::write(&ca, "no certificate").unwrap();
    let ended = run.arguments(&["--tls-ca", ca.to_str().unwrap()]).run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("ca.pem"), "{}", ended.stderr);
}
