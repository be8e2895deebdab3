//! Ways to a target: proxies, Unix sockets, names, certificates.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use super::raw_server::{LIMITS, OK, RawServer, Talk, head_of, value};
use super::support::{Loadgen, SmallSystem, open};
use loadgen_engine::http_client::{ConnectOptions, HttpClient, ProxyChoice, Request, Target};

pub fn through(proxy: &str) -> ConnectOptions {
    ConnectOptions {
        proxy: ProxyChoice::Named(proxy.to_owned()),
        ..ConnectOptions::default()
    }
}

#[tokio::test]
async fn a_proxy_gets_whole_urls_and_its_password() {
    let proxy = RawServer::always(OK);
    let url = proxy.url.replace("http://", "http://me:pass@");
    // The name is the proxy's to resolve.
    let target = Target::resolve("http://shop.invalid/base", &through(&url))
        .await
        .unwrap();
    assert_eq!(target.proxy(), Some(proxy.url.as_str()));
    let http = HttpClient::new(target, LIMITS);
    http.get("/a?b=c").await.unwrap();
    http.get("/d").await.unwrap();
    let heads = proxy.heads();
    assert!(
        heads[0].starts_with("GET http://shop.invalid/base/a?b=c HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert_eq!(value(&heads[0], "host"), Some("shop.invalid"));
    assert_eq!(
        value(&heads[0], "proxy-authorization"),
        Some("Basic bWU6cGFzcw==")
    );
    assert_eq!(proxy.connections(), 1);
}

/// A proxy that opens tunnels to where it is asked to.
pub fn tunnelling() -> RawServer {
    RawServer::start(|talk| {
        let head = talk.head().unwrap();
        let mut words = head.split(' ');
        if words.next() != Some("CONNECT") {
            return talk.say("HTTP/1.1 405 Not Allowed\r\ncontent-length: 0\r\n\r\n");
        }
        let Ok(target) = TcpStream::connect(words.next().unwrap()) else {
            return talk.say("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        };
        talk.say("HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n");
        pass_on(talk, target);
    })
}

fn pass_on(talk: &mut Talk, target: TcpStream) {
    let client = talk.stream().try_clone().unwrap();
    let (mut from, mut to) = (target.try_clone().unwrap(), client);
    let back = std::thread::spawn(move || std::io::copy(&mut from, &mut to).ok());
    let mut target = target;
    let mut bytes = [0; 4096];
    while let Ok(n) = talk.stream().read(&mut bytes) {
        if n == 0 || target.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    target.shutdown(std::net::Shutdown::Both).ok();
    back.join().unwrap();
}

/// A certificate for 127.0.0.1 by an authority of its own: the authority's PEM, and the server's configuration.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            params,
            key,
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
        }
    }

    /// A certificate for this name, and its key.
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    }

    /// A server that takes only clients with a certificate of this authority.
    fn server(&self) -> SmallSystem {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let (certificate, key) = self.sign("127.0.0.1");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        SmallSystem::start_tls(config)
    }
}

#[test]
fn a_target_that_asks_for_a_certificate_gets_it_also_through_a_proxy() {
    let authority = Authority::new();
    let system = authority.server();
    let proxy = tunnelling();
    let (certificate, key) = authority.sign("a customer");
    let run = |more: &[&str]| {
        let run = Loadgen::scenario(&open(20, "1s", "")).target(&system);
        for (name, text) in [
            ("ca.pem", authority.pem.clone()),
            ("cert.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
            ("both.pem", certificate.pem() + &key.serialize_pem()),
        ] {
            std::fs::write(run.folder.path().join(name), text).unwrap();
        }
        run.arguments(&["--tls-ca", "ca.pem"]).arguments(more).run()
    };
    let shown = run(&[
        "--client-cert",
        "cert.pem",
        "--client-key",
        "key.pem",
        "--proxy",
        &proxy.url,
    ]);
    assert_eq!(shown.code, 0, "{}{}", shown.stdout, shown.stderr);
    assert_eq!(shown.report()["journeys"]["completed"], 20);
    let warnings = shown.report()["warnings"].to_string();
    assert!(warnings.contains(&proxy.url), "{warnings}");
    assert!(
        proxy.heads()[0].starts_with("CONNECT 127.0.0.1:"),
        "{:?}",
        proxy.heads()[0]
    );
    let both = run(&["--client-cert", "both.pem"]);
    assert_eq!(both.code, 0, "{}{}", both.stdout, both.stderr);
    let missing = run(&["--client-cert", "cert.pem"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("--client-key cert.pem"),
        "{}",
        missing.stderr
    );
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_told() {
    let proxy = tunnelling();
    let target = Target::resolve("https://127.0.0.1:1/", &through(&proxy.url))
        .await
        .unwrap();
    let error = HttpClient::new(target, LIMITS).get("/").await.unwrap_err();
    assert!(
        error.detail().contains("502 Bad Gateway"),
        "{}",
        error.detail()
    );
}

/// A SOCKS5 proxy that asks for user and password, gives this answer to the request for a tunnel, and is the target itself. Notes what it
/// was told: the login, and the address with its type.
fn socks(answer: u8) -> (RawServer, Arc<Mutex<Vec<Vec<u8>>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let server = RawServer::start(move |talk| {
        let take = |talk: &Talk, count: usize| {
            let mut bytes = vec![0; count];
            talk.stream().read_exact(&mut bytes).unwrap();
            bytes
        };
        let methods = take(talk, 2)[1];
        assert!(take(talk, methods.into()).contains(&2));
        talk.say([5_u8, 2]);
        let user = take(talk, 2)[1];
        let user = take(talk, user.into());
        let password = take(talk, 1)[0];
        let login = [user, take(talk, password.into())].join(&b':');
        talk.say([1_u8, 0]);
        let (request, length) = (take(talk, 4), take(talk, 1)[0]);
        let address = [&request[3..], &take(talk, usize::from(length) + 2)].concat();
        log.lock().unwrap().extend([login, address]);
        talk.say([5, answer, 0, 1, 0, 0, 0, 0, 0, 0]);
        while answer == 0 && talk.head().is_some() {
            talk.say(OK);
        }
    });
    (server, told)
}

#[tokio::test]
async fn a_socks_proxy_opens_a_tunnel_to_a_name_that_it_looks_up() {
    let (proxy, told) = socks(0);
    let url = proxy.url.replace("http://", "socks5://me:pass@");
    let target = Target::resolve("http://shop.invalid:81/base", &through(&url))
        .await
        .unwrap();
    let shown = proxy.url.replace("http://", "socks5://");
    assert_eq!(target.proxy(), Some(shown.as_str()));
    let http = HttpClient::new(target, LIMITS);
    http.get("/a").await.unwrap();
    http.get("/b").await.unwrap();

    let head = &proxy.heads()[0];
    assert!(
        head.starts_with("GET /base/a HTTP/1.1\r\nhost: shop.invalid:81\r\n"),
        "{head}"
    );
    assert_eq!(proxy.connections(), 1);
    let name = b"\x03shop.invalid\x00\x51";
    assert_eq!(*told.lock().unwrap(), [b"me:pass".to_vec(), name.to_vec()]);
}

#[tokio::test]
async fn a_socks_proxy_that_opens_no_tunnel_is_told() {
    let (proxy, _) = socks(4);
    let url = proxy.url.replace("http://", "socks5h://me:pass@");
    let target = Target::resolve("https://shop.invalid/", &through(&url)).await;
    let error = HttpClient::new(target.unwrap(), LIMITS).get("/").await;
    let detail = error.unwrap_err().detail();
    let said = "opened no tunnel to shop.invalid:443: Host unreachable";
    assert!(
        detail.contains(said) && !detail.contains("pass"),
        "{detail}"
    );
}

/// What the scenario of [`open`] expects.
const A_THING: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n{\"result\":{\"entity_id\":\"x\"}}";

#[test]
fn the_scenarios_proxy_replaces_the_environments_and_the_command_lines_the_scenarios() {
    let [environments, scenarios, typed] = [(); 3].map(|()| RawServer::always(A_THING));
    let run = |more: &[&str]| {
        let http = format!("[http]\nproxy = \"{}\"\n", scenarios.url);
        let run = Loadgen::scenario(&open(5, "1s", &http));
        let run = run.arguments(&["--target", "http://127.0.0.1:1"]);
        let run = run.arguments(more);
        let mut command = run.command();
        command.env("http_proxy", &environments.url);
        let output = command.output().unwrap();
        run.ended(output)
    };

    let by_scenario = run(&[]);
    let before = scenarios.heads().len();
    let by_argument = run(&["--proxy", &typed.url]);
    let direct = run(&["--proxy", "none"]);

    assert_eq!(by_scenario.code, 0, "{}", by_scenario.stderr);
    let says = by_scenario.stdout.contains("the scenario names it");
    assert!(says, "{}", by_scenario.stdout);
    assert_eq!(by_argument.code, 0, "{}", by_argument.stderr);
    assert_eq!(direct.code, 2, "nothing listens there: {}", direct.stdout);
    assert!(before > 0 && !typed.heads().is_empty());
    assert_eq!(scenarios.heads().len(), before);
    assert!(environments.heads().is_empty());
}

#[test]
fn the_environments_proxy_is_used_and_told_and_can_be_excepted() {
    let proxy = RawServer::always(A_THING);
    let run = |more: &[&str], excepted: &str| {
        let run =
            Loadgen::scenario(&open(5, "1s", "")).arguments(&["--target", "http://127.0.0.1:1"]);
        let run = run.arguments(more);
        let mut command = run.command();
        command
            .env("http_proxy", &proxy.url)
            .env("no_proxy", excepted);
        let output = command.output().unwrap();
        run.ended(output)
    };
    let used = run(&[], "example.org");
    assert_eq!(used.code, 0, "{}{}", used.stdout, used.stderr);
    assert!(used.stdout.contains("--proxy none"), "{}", used.stdout);
    assert!(
        proxy
            .heads()
            .iter()
            .any(|head| head.starts_with("GET http://127.0.0.1:1/thing "))
    );
    for (more, excepted) in [(&["--proxy", "none"][..], ""), (&[], "127.0.0.1")] {
        let direct = run(more, excepted);
        assert_eq!(direct.code, 2, "nothing listens there: {}", direct.stdout);
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heads = Vec::new();
        for _ in 0..2 {
            let head = head_of(&mut stream);
            stream.write_all(OK.as_bytes()).unwrap();
            heads.push(head);
        }
        heads
    });
    let url = format!("unix:{}:/api", path.display());
    let target = Target::resolve(&url, &ConnectOptions::default())
        .await
        .unwrap();
    let http = HttpClient::new(target, LIMITS);
    for _ in 0..2 {
        let reply = http.turn().await.send(&Request::get("/a")).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    let heads = serving.join().unwrap();
    assert!(
        heads[1].starts_with("GET /api/a HTTP/1.1\r\nhost: localhost\r\n"),
        "{}",
        heads[1]
    );
}

#[test]
fn a_run_reaches_its_target_over_a_unix_socket() {
    let server = RawServer::always(A_THING);
    let address = server.url.replace("http://", "");
    let run = Loadgen::scenario(&open(5, "1s", ""));
    let path = run.folder.path().join("shop.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, target) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            let (mut from, mut to) = (client.try_clone().unwrap(), target.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (target, client);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });

    let target = format!("unix:{}:/api", path.display());
    let ended = run.arguments(&["--target", &target]).run();

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.report()["journeys"]["completed"], 5);
    let heads = server.heads();
    let asked = |head: &&String| head.starts_with("GET /api/thing HTTP/1.1\r\nhost: localhost");
    assert_eq!(heads.iter().filter(asked).count(), 5, "{heads:?}");
}

#[test]
fn a_target_that_cannot_be_used_whole_is_bad_input() {
    for (target, told) in [
        ("http://127.0.0.1:1/?key=1", "?key=1"),
        ("http://127.0.0.1:1/#a", "#a"),
        ("http://", "has no host"),
        ("unix:", "unix:"),
        (
            "http://nowhere.invalid",
            "can't resolve the host nowhere.invalid",
        ),
    ] {
        let run = Loadgen::scenario(&open(5, "1s", ""));
        let ended = run.arguments(&["--target", target]).run();
        assert_eq!(ended.code, 2, "{target}");
        assert!(ended.stderr.contains(told), "{target}: {}", ended.stderr);
    }
}
