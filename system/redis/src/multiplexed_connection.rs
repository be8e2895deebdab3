//! A connection over which many send at once: whatever waits goes out together, and replies come back in the order of the requests. Why it
//! is not redis-rs's: docs/decisions/0124. Must not know what is sent, and opens nothing.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};

use crate::reply_decoder::ReplyDecoder;

/// Most requests that wait to be written; callers beyond wait, too.
const WAITING_MAX: usize = 10_000;
/// Most requests that are taken at once.
const TAKEN_MAX: usize = 256;
/// More is taken only once less than this waits to be sent.
const UNSENT_BYTES_MAX: usize = 1 << 20;
/// Room for what arrives, bytes: that of a new connection, and the least of each read. A large reply gets more.
const ROOM_BYTES: usize = 1 << 14;
const READ_BYTES_MIN: usize = 1 << 12;

/// The bytes' way to the server and back.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Where messages of subscriptions go, and the error with which their connection ends.
pub(crate) type Messages = mpsc::Sender<RedisResult<Value>>;

/// A connection to Redis; clones are the same one. It does not reconnect: once it breaks, or an answer is overdue, every request fails.
#[derive(Clone)]
pub struct MultiplexedConnection {
    requests: mpsc::Sender<Request>,
    database: i64,
    _driver: Arc<Driver>,
}

/// Ends the connection with its last clone, whatever the server still owes.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for MultiplexedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiplexedConnection")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// What is sent together, and who waits for the replies.
struct Request {
    packed: Vec<u8>,
    /// Replies before those that are the answer.
    skipped: usize,
    /// Replies that are the answer.
    counted: usize,
    /// Whether an error among the skipped replies is the answer: it says why a transaction was given up.
    is_transaction: bool,
    answer: oneshot::Sender<RedisResult<Vec<Value>>>,
}

/// A request that was sent.
struct Sent {
    at: Instant,
    request: Request,
    replies: Vec<Value>,
    /// The first error of a transaction's skipped replies.
    refused: Option<RedisError>,
}

impl MultiplexedConnection {
    /// A connection over an open stream; the server's database `database` is chosen there already. An answer that takes longer than
    /// `answer_max` ends it, and messages that nobody takes stop it. Must be called in a tokio runtime.
    pub(crate) fn over(
        stream: impl Stream,
        database: i64,
        answer_max: Duration,
        messages: Option<Messages>,
    ) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let driver = tokio::spawn(drive(stream, waiting, answer_max, messages));
        Self {
            requests,
            database,
            _driver: Arc::new(Driver(driver.abort_handle())),
        }
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The connection broke, or its answer is overdue: whether the command was carried out is not known.
    pub async fn send_packed_command(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        let replies = self.exchange(cmd.get_packed_command(), 0, 1, false);
        // There is exactly one.
        replies.await?.pop().ok_or_else(broken)
    }

    /// Sends a pipeline; the replies are `count` after the first `offset`.
    ///
    /// # Errors
    /// As [`Self::send_packed_command`]; and a transaction's command was refused, so that nothing of it was carried out.
    pub async fn send_packed_commands(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let packed = pipeline.get_packed_pipeline();
        self.exchange(packed, offset, count, pipeline.is_transaction())
            .await
    }

    async fn exchange(
        &self,
        packed: Vec<u8>,
        skipped: usize,
        counted: usize,
        is_transaction: bool,
    ) -> RedisResult<Vec<Value>> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            packed,
            skipped,
            counted,
            is_transaction,
            answer,
        };
        self.requests.send(request).await.map_err(|_| broken())?;
        answered.await.map_err(|_| broken())?
    }
}

impl ConnectionLike for MultiplexedConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.send_packed_command(cmd).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.send_packed_commands(pipeline, offset, count).boxed()
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

/// Sends requests and hands out their replies until the last sender is gone, or the connection breaks.
async fn drive(
    stream: impl Stream,
    mut waiting: mpsc::Receiver<Request>,
    answer_max: Duration,
    messages: Option<Messages>,
) {
    let mut sent = VecDeque::new();
    let exchanging = exchange_all(
        stream,
        &mut waiting,
        &mut sent,
        answer_max,
        messages.as_ref(),
    );
    let ended = exchanging.await;
    waiting.close();
    let Err(error) = ended else { return };
    let unsent = std::iter::from_fn(|| waiting.try_recv().ok()).map(|request| request.answer);
    let sent = sent.into_iter().map(|sent: Sent| sent.request.answer);
    for answer in sent.chain(unsent) {
        // Who no longer waits needs no answer.
        let _ = answer.send(Err(error.clone()));
    }
    if let Some(messages) = messages {
        // Who no longer listens need not know.
        let _ = messages.send(Err(error)).await;
    }
}

async fn exchange_all(
    stream: impl Stream,
    waiting: &mut mpsc::Receiver<Request>,
    sent: &mut VecDeque<Sent>,
    answer_max: Duration,
    messages: Option<&Messages>,
) -> RedisResult<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut read, mut unsent) = (BytesMut::with_capacity(ROOM_BYTES), BytesMut::new());
    let mut decoder = ReplyDecoder::default();
    let mut taken = Vec::new();
    let overdue = tokio::time::sleep(answer_max);
    tokio::pin!(overdue);
    loop {
        read.reserve(READ_BYTES_MIN);
        tokio::select! {
            biased;
            written = writer.write_buf(&mut unsent), if !unsent.is_empty() => {
                if written? == 0 {
                    return Err(broken());
                }
            }
            count = reader.read_buf(&mut read) => {
                if count? == 0 {
                    return Err(broken());
                }
                while let Some(reply) = decoder.next(&mut read)? {
                    match messages {
                        Some(messages) if is_message(&reply) => {
                            messages.send(Ok(reply)).await.map_err(|_| broken())?;
                        }
                        _ => answer(sent, reply),
                    }
                }
            }
            count = waiting.recv_many(&mut taken, TAKEN_MAX), if unsent.len() < UNSENT_BYTES_MAX => {
                if count == 0 {
                    return Ok(());
                }
                let at = Instant::now();
                // What nobody waits for any more is not sent: its caller takes it as not known.
                for request in taken.drain(..).filter(|request| !request.answer.is_closed()) {
                    unsent.extend_from_slice(&request.packed);
                    let replies = Vec::with_capacity(request.counted);
                    sent.push_back(Sent { at, request, replies, refused: None });
                }
            }
            () = &mut overdue, if !sent.is_empty() => {
                let due = sent.front().map_or_else(Instant::now, |oldest| oldest.at) + answer_max;
                if due <= Instant::now() {
                    return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                }
                overdue.as_mut().reset(due);
            }
        }
    }
}

/// Whether it is a message of a subscription to a sharded channel, or says that the subscription has ended.
fn is_message(reply: &Value) -> bool {
    let Value::Array(parts) = reply else {
        return false;
    };
    matches!(parts.first(), Some(Value::BulkString(kind)) if [&b"smessage"[..], b"sunsubscribe"].contains(&&**kind))
}

/// Gives a reply to the oldest request. A reply that nobody asked for is dropped: Redis says why it closes a connection.
fn answer(sent: &mut VecDeque<Sent>, reply: Value) {
    let Some(oldest) = sent.front_mut() else {
        return;
    };
    if oldest.request.skipped > 0 {
        oldest.request.skipped -= 1;
        if let (Value::ServerError(error), true) = (reply, oldest.request.is_transaction) {
            oldest.refused.get_or_insert(error.into());
        }
        return;
    }
    oldest.replies.push(reply);
    if oldest.replies.len() >= oldest.request.counted
        && let Some(answered) = sent.pop_front()
    {
        let answer = answered.refused.map_or(Ok(answered.replies), Err);
        // Who no longer waits needs no answer.
        let _ = answered.request.answer.send(answer);
    }
}

fn broken() -> RedisError {
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    const ANSWER_MAX: Duration = Duration::from_millis(400);

    /// A connection, and the server's side of it.
    fn connection() -> (MultiplexedConnection, DuplexStream) {
        let (stream, server) = tokio::io::duplex(1 << 16);
        let connection = MultiplexedConnection::over(stream, 0, ANSWER_MAX, None);
        (connection, server)
    }

    async fn is_sent(server: &mut DuplexStream, pipeline: &Pipeline) {
        let mut found = vec![0; pipeline.get_packed_pipeline().len()];
        server.read_exact(&mut found).await.unwrap();
        assert_eq!(found, pipeline.get_packed_pipeline());
    }

    fn questions(count: usize) -> Pipeline {
        let mut pipe = Pipeline::new();
        for _ in 0..count {
            pipe.cmd("TIME");
        }
        pipe
    }

    #[tokio::test]
    async fn replies_go_to_the_requests_in_their_order_however_they_arrive() {
        let (connection, mut server) = connection();
        let (mut first, mut second) = (connection.clone(), connection);
        let (two, three) = (questions(2), questions(3));
        let serving = async {
            is_sent(&mut server, &questions(5)).await;
            server.write_all(b":1\r\n:2\r\n:3\r").await.unwrap();
            server.write_all(b"\n:4\r\n:5\r\n").await.unwrap();
        };

        let (early, late, ()) = tokio::join!(
            first.send_packed_commands(&two, 0, 2),
            second.send_packed_commands(&three, 1, 2),
            serving
        );

        assert_eq!(early.unwrap(), [Value::Int(1), Value::Int(2)]);
        assert_eq!(late.unwrap(), [Value::Int(4), Value::Int(5)]);
    }

    #[tokio::test]
    async fn an_error_among_skipped_replies_is_the_answer_of_a_transaction_only() {
        for is_transaction in [false, true] {
            let (mut connection, mut server) = connection();
            let mut pipe = questions(1);
            if is_transaction {
                pipe.atomic();
            }
            let serving = async {
                is_sent(&mut server, &pipe).await;
                server.write_all(b"-OOM full\r\n:1\r\n").await.unwrap();
            };
            let sending = connection.send_packed_commands(&pipe, 1, 1);

            let (answer, ()) = tokio::join!(sending, serving);

            let code = answer.map_err(|error| error.code().map(str::to_owned));
            let expected = if is_transaction {
                Err(Some("OOM".to_owned()))
            } else {
                Ok(vec![Value::Int(1)])
            };
            assert_eq!(code, expected);
        }
    }

    #[tokio::test]
    async fn an_overdue_answer_ends_the_connection_and_an_idle_one_stays() {
        let (connection, mut server) = connection();
        let (mut first, mut second) = (connection.clone(), connection.clone());
        // Nothing is overdue while nobody waits.
        tokio::time::sleep(ANSWER_MAX * 2).await;
        assert!(!connection.is_closed());
        let began = Instant::now();
        let one = questions(1);
        let later = async {
            tokio::time::sleep(ANSWER_MAX / 2).await;
            second.send_packed_commands(&one, 0, 1).await
        };

        let (early, late) = tokio::join!(first.send_packed_commands(&one, 0, 1), later);

        assert!(early.unwrap_err().is_timeout() && late.unwrap_err().is_timeout());
        assert!(began.elapsed() >= ANSWER_MAX);
        assert!(connection.is_closed());
        is_sent(&mut server, &questions(2)).await;
        let mut rest = Vec::new();
        assert_eq!(server.read_to_end(&mut rest).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn messages_go_to_who_listens_and_so_does_the_end_of_the_connection() {
        let (stream, mut server) = tokio::io::duplex(1 << 16);
        let (told, mut messages) = mpsc::channel(9);
        let mut connection = MultiplexedConnection::over(stream, 0, ANSWER_MAX, Some(told));
        let one = questions(1);
        let message = b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\n5\r\n";
        let serving = async {
            is_sent(&mut server, &one).await;
            server.write_all(message).await.unwrap();
            server.write_all(b":1\r\n").await.unwrap();
            drop(server);
        };

        let (answer, ()) = tokio::join!(connection.send_packed_commands(&one, 0, 1), serving);

        assert_eq!(answer.unwrap(), [Value::Int(1)]);
        let message = messages.recv().await.unwrap().unwrap();
        let message: Vec<String> = redis::from_redis_value(message).unwrap();
        assert_eq!(message, ["smessage", "c", "5"]);
        assert!(messages.recv().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_server_that_goes_fails_all_who_wait_and_the_last_clone_ends_the_connection() {
        let (mut connection, server) = connection();
        let (one, going) = (questions(1), async { drop(server) });
        let (answer, ()) = tokio::join!(connection.send_packed_commands(&one, 0, 1), going);
        assert!(answer.unwrap_err().is_io_error() && connection.is_closed());

        let (connection, mut server) = self::connection();
        drop(connection);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }
}
