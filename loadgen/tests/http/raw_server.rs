//! A server on a raw socket that does what its test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;

use loadgen_engine::http_client::{
    ClientLimits, ClientOptions, ConnectOptions, HttpClient, HttpError, Reply, Request, Target,
};

/// What a test's server does on each connection.
type Script = dyn Fn(&mut Talk) + Send + Sync;

pub struct RawServer {
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

/// One connection of it.
pub struct Talk {
    reader: BufReader<TcpStream>,
    heads: Arc<Mutex<Vec<String>>>,
    /// From 1.
    pub connection: usize,
}

impl RawServer {
    pub fn start(script: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, log, count): (Arc<Script>, _, _) =
            (Arc::new(script), heads.clone(), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut talk = Talk {
                    reader: BufReader::new(stream),
                    heads: log.clone(),
                    connection: count.fetch_add(1, Ordering::SeqCst) + 1,
                };
                let script = script.clone();
                std::thread::spawn(move || script(&mut talk));
            }
        });
        Self {
            url,
            heads,
            connections,
        }
    }

    /// Gives each request the same answer, and keeps the connection.
    pub fn always(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::start(move |talk| {
            while talk.request().is_some() {
                talk.say(&answer);
            }
        })
    }

    /// Gives each request this one answer and closes the connection.
    pub fn once(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self::start(move |talk| {
            if talk.request().is_some() {
                talk.say(&answer);
            }
        })
    }

    /// The heads of the requests so far, in lower case but for the first line.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub async fn target(&self) -> Target {
        Target::resolve(&self.url, &ConnectOptions::default())
            .await
            .unwrap()
    }

    pub async fn client(&self) -> HttpClient {
        HttpClient::new(self.target().await, LIMITS)
    }

    pub async fn client_with(&self, options: ClientOptions) -> HttpClient {
        HttpClient::with(self.target().await, LIMITS, options)
    }
}

pub const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(20),
    response_bytes_max: 1 << 20,
    connections_max: 4,
};

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Talk {
    /// The next request's head; `None` if the connection has ended.
    pub fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// The next request with its body.
    pub fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let length = value(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).ok()?;
        Some((head, body))
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // The client may have gone already.
        self.reader.get_mut().write_all(bytes.as_ref()).ok();
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Reads at most so many bytes; returns how many.
    pub fn read(&mut self, most: usize) -> usize {
        self.reader.read(&mut vec![0; most]).unwrap()
    }
}

/// The value of a header.
pub fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = values(head, name).into_iter();
    values.next()
}

/// All values of a header.
pub fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// Reads the next request's head from a stream that has no buffer.
pub fn head_of(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// TLS for a server on this machine whose certificate nobody vouches for.
pub fn self_signed() -> ServerConfig {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()).into();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap()
}

pub async fn send(
    http: &HttpClient,
    method: &'static str,
    body: Option<String>,
) -> Result<Reply, HttpError> {
    let request = Request {
        method,
        body: body.map(|text| text.into_bytes().into()),
        ..Request::get("/")
    };
    http.turn().await.send(&request).await
}
