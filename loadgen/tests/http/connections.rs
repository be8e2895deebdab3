//! Kept connections: what the target does to them while they are idle, and how long they are kept.

use std::io::Write;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::raw_server::{LIMITS, OK, RawServer, Talk, head_of, self_signed, send, value};
use loadgen_engine::http_client::{ClientOptions, ConnectOptions, HttpClient, Target, TlsOptions};

/// A server that answers one request on its first connection and then ends the idle connection in this way; the receiver hears when it has.
fn ending_idle(end: impl Fn(&mut Talk) + Send + Sync + 'static) -> (RawServer, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = RawServer::start(move |talk| {
        while talk.request().is_some() {
            talk.say(OK);
            if talk.connection == 1 {
                end(talk);
                tell.lock().unwrap().send(()).unwrap();
                return;
            }
        }
    });
    (server, told)
}

#[tokio::test]
async fn a_post_goes_out_on_a_new_connection_where_the_target_ended_the_idle_one() {
    let ends: [fn(&mut Talk); 4] = [
        |talk| talk.stream().shutdown(Shutdown::Both).unwrap(),
        // The rest of the server's side stays open.
        |talk| {
            talk.stream().shutdown(Shutdown::Write).unwrap();
            std::mem::forget(talk.stream().try_clone().unwrap());
        },
        |talk| {
            talk.say("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 8\r\n\r\ntoo slow")
        },
        |talk| talk.say("\r\n"),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let (server, ended) = ending_idle(end);
        let http = server.client().await;
        let first = send(&http, "POST", None).await.unwrap();
        ended.recv().unwrap();
        // What was said is in the kernel now; the runtime has not looked. Who goes on at once has no pause in which to notice it.
        while first.completed.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        let reply = send(&http, "POST", None).await.unwrap();
        assert_eq!((reply.status, &*reply.body), (200, &b"ok"[..]), "{n}");
        assert_eq!(server.heads().len(), 2, "{n}: each was read once");
        // What is said together with the answer ends the connection at once.
        assert!(n > 1 || http.figures().closed_idle == 1, "{n}");
    }
}

#[tokio::test]
async fn a_408_that_crosses_a_request_on_a_kept_connection_is_not_its_answer() {
    let server = RawServer::start(|talk| {
        let mut count = 0;
        while talk.request().is_some() {
            count += 1;
            match (talk.connection, count) {
                (1, 2) => {
                    talk.say("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                    return;
                }
                _ => talk.say(OK),
            }
        }
    });
    let http = server.client().await;
    assert_eq!(send(&http, "POST", None).await.unwrap().status, 200);
    assert_eq!(send(&http, "POST", None).await.unwrap().status, 200);
    assert_eq!(http.figures().repeated, 1);
}

#[tokio::test]
async fn a_408_on_a_new_connection_is_the_targets_answer() {
    let server = RawServer::once(
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    let http = server.client().await;
    assert_eq!(send(&http, "GET", None).await.unwrap().status, 408);
    assert_eq!(server.heads().len(), 1);
}

async fn thrice(http: &HttpClient) {
    for _ in 0..3 {
        assert_eq!(send(http, "GET", None).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn connections_are_kept_as_long_as_the_options_and_the_target_say() {
    let limited = |requests| ClientOptions {
        requests_per_connection: Some(requests),
        ..ClientOptions::default()
    };
    let closing = ClientOptions {
        keep_alive: false,
        ..ClientOptions::default()
    };
    for (options, connections, closes) in [
        (ClientOptions::default(), 1, [false, false, false]),
        (closing, 3, [true, true, true]),
        (limited(2), 2, [false, true, false]),
        (limited(1), 3, [true, true, true]),
    ] {
        let server = RawServer::always(OK);
        let http = server.client_with(options.clone()).await;
        thrice(&http).await;
        assert_eq!(server.connections(), connections, "{options:?}");
        assert_eq!(http.figures().opened, connections as u64, "{options:?}");
        let said = server.heads();
        let said = said
            .iter()
            .map(|head| value(head, "connection") == Some("close"));
        assert!(said.eq(closes), "{options:?}");
    }
    // It says that it closes at once: nothing is sent into the close.
    let server =
        RawServer::always("HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 0\r\n\r\n");
    thrice(&server.client().await).await;
    assert_eq!(server.connections(), 3);
}

/// A server with TLS that answers one request on each connection and then says farewell, as TLS does it.
fn farewell() -> (String, mpsc::Receiver<()>) {
    let config = Arc::new(self_signed());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            head_of(&mut stream);
            stream.write_all(OK.as_bytes()).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            // The socket stays open.
            std::mem::forget(stream);
            tell.send(()).ok();
        }
    });
    (url, told)
}

#[tokio::test]
async fn a_farewell_of_tls_ends_a_kept_connection_too() {
    let (url, told) = farewell();
    let options = ConnectOptions {
        tls: TlsOptions {
            insecure: true,
            ..TlsOptions::default()
        },
        ..ConnectOptions::default()
    };
    let target = Target::resolve(&url, &options).await.unwrap();
    let http = HttpClient::new(target, LIMITS);
    for _ in 0..3 {
        let reply = send(&http, "POST", None).await.unwrap();
        assert_eq!(reply.status, 200);
        told.recv().unwrap();
        // Written is not delivered: on a busy machine the kernel takes its time. What crosses a request may be lost with it.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(http.figures().opened, 3);
}
