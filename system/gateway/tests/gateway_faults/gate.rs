//! A gateway for each test, on fakes, and an HTTP client of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ordershop_contract::event_store::ServerInfo;
use ordershop_contract::metrics::QueueMetrics;
use ordershop_contract::readiness::StoreReadiness;
use ordershop_gateway::{Build, Gateway, GatewayConfig, GatewayMetrics};
use prometheus_client::registry::Registry;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

use crate::fakes::{FakeQueue, FakeStore};

/// The timeout of every condition.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

pub type Body = BoxBody<Bytes, Infallible>;
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that the answer is an error in JSON.
    #[track_caller]
    pub fn is_error(&self, status: u16, what: &str) {
        assert_eq!(self.status, status, "{what}: {}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&self.text).unwrap();
        assert!(body["error"].is_string(), "{what}: {body}");
        assert!(self.header("x-correlation-id").is_some(), "{what}");
    }
}

/// A body with a known length.
pub fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A body of chunks, without a content length.
pub fn chunked(chunk: &'static str, count: usize) -> Body {
    let frames = (0..count).map(move |_| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    StreamBody::new(stream::iter(frames)).boxed()
}

/// Reads until the gateway closes the connection.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = tokio::time::timeout(WAIT_MAX, stream.read_to_end(&mut answer))
        .await
        .expect("the connection was not closed");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A running gateway.
pub struct Gate {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    served: JoinHandle<()>,
    client: Client<HttpConnector, Body>,
}

impl Gate {
    pub async fn open(queue: FakeQueue, store: FakeStore) -> Self {
        Self::tuned(queue, Arc::new(store), |_| {}).await
    }

    /// Starts a gateway with limits that the test chooses.
    pub async fn tuned(
        queue: FakeQueue,
        store: Arc<FakeStore>,
        tune: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let queue = Arc::new(queue);
        let readiness = StoreReadiness::new(queue.clone(), store.clone());
        let (_, runs_on) = watch::channel(ServerInfo::default());
        let build = Build {
            version: "0.0.0",
            profile: "test",
        };
        let mut config = GatewayConfig::new(runs_on, Arc::new(readiness), build, |_, _| Ok(()));
        tune(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let metrics = GatewayMetrics::new(QueueMetrics::default());
        let mut registry = Registry::with_prefix("ordershop");
        metrics.register(&mut registry);
        metrics.queues.register(&mut registry);
        let gateway = Gateway::new(queue, store, metrics, registry, config);
        Self {
            address,
            served: tokio::spawn(gateway.serve(listener, shutdown.clone())),
            shutdown,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Sends a request; an error means that the connection broke.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> impl Future<Output = Result<Answer, String>> + Send + use<> {
        self.send_with(method, path, &[], body)
    }

    /// Sends a request with headers of the test's own.
    pub fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> impl Future<Output = Result<Answer, String>> + Send + use<> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(body).unwrap());
        async move {
            let answer = answer.await.map_err(|error| format!("{error:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
            })
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, whole("")).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Body) -> Answer {
        self.send(Method::POST, path, body).await.unwrap()
    }

    /// Listens to the live feed.
    pub async fn listen(&self) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
        let url = format!("ws://{}/events?topics=order", self.address);
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(socket)
    }

    /// Opens a connection and sends this text as it is.
    pub async fn raw(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Waits until the gateway has ended.
    pub async fn ended(self) {
        tokio::time::timeout(WAIT_MAX, self.served)
            .await
            .expect("the gateway never ended")
            .unwrap();
    }
}
