//! Tokens and certificates.

use std::path::Path;

use crate::agent::Agent;
use crate::service::{Ended, Folder};
use crate::{gets, numbered};

/// A folder with a run, a token, another token, and a certificate for 127.0.0.1 with its key.
fn secrets() -> Folder {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    gets("1s")
        .with("token", "s3cret\n")
        .with("other", "s3cred\n")
        .with("cert.pem", &signed.cert.pem())
        .with("key.pem", &signed.signing_key.serialize_pem())
}

fn path(folder: &Folder, name: &str) -> String {
    let path: &Path = folder.0.path();
    path.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_token_is_asked_for_over_plain_text_and_over_tls() {
    let folder = secrets();
    let service = numbered();
    let of = |name: &str| path(&folder, name);
    let (token, cert, key) = (of("token"), of("cert.pem"), of("key.pem"));
    let plain = Agent::with(&["--token-file", &token]);
    let secured = Agent::with(&[
        "--token-file",
        &token,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    let run = |agent: &Agent, more: &[&str]| -> Ended {
        std::fs::remove_dir_all(folder.0.path().join("out")).ok();
        let agents = ["--agents", agent.address.as_str()];
        folder.run("t.toml", &service, &[&agents, more].concat())
    };
    for (agent, more, said) in [
        (
            &plain,
            vec![],
            "it asks for a token: give --token-file FILE",
        ),
        (&plain, vec!["--token-file", "other"], "the token is wrong"),
        (
            &plain,
            vec!["--token-file", "token", "--ca", "cert.pem"],
            "no TLS with it",
        ),
        (
            &secured,
            vec!["--ca", "cert.pem", "--token-file", "other"],
            "the token is wrong",
        ),
        (&secured, vec!["--token-file", "token"], "--ca FILE"),
    ] {
        let refused = run(agent, &more);
        assert_eq!(refused.code, 2, "{more:?}: {}", refused.stderr);
        let named = format!("the agent {}: ", agent.address);
        assert!(
            refused.stderr.contains(&named),
            "{more:?}: {}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains(said),
            "{more:?}: {}",
            refused.stderr
        );
        assert_eq!(service.asked().len(), 0, "{more:?}");
    }
    for (agent, more) in [
        (&plain, vec!["--token-file", "token"]),
        (&secured, vec!["--token-file", "token", "--ca", "cert.pem"]),
    ] {
        let ended = run(agent, &more);
        assert_eq!(ended.code, 0, "{more:?}: {}{}", ended.stdout, ended.stderr);
    }
    assert_eq!(service.asked().len(), 200);
}

#[test]
fn an_agent_that_other_machines_can_reach_needs_a_token() {
    let folder = secrets();
    let open = folder.loadgen(&["agent", "--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, 2, "{}", open.stderr);
    assert!(
        open.stderr
            .contains("give --token-file FILE, or listen on 127.0.0.1"),
        "{}",
        open.stderr
    );
    let empty = folder.with("empty", " \n").loadgen(&[
        "agent",
        "--listen",
        "127.0.0.1:0",
        "--token-file",
        "empty",
    ]);
    assert_eq!(empty.code, 2, "{}", empty.stderr);
    assert!(
        empty.stderr.contains("the file is empty"),
        "{}",
        empty.stderr
    );
}
