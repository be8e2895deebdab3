//! Retries a call over broken connections, and bounds how long one may take. Knows which errors may pass, not which call it is.

use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisResult, ServerErrorKind};

use ordershop_contract::backoff::Backoff;

/// How much longer than its blocking time a read may take before it fails, ms.
pub(super) const READ_GRACE_MS: u64 = 5_000;

/// Retries a repeatable call over broken connections and while the server starts, for at most `limit`; then returns the last error. A call
/// that the server refused is not retried.
pub(super) async fn retrying<T, F: Future<Output = RedisResult<T>>>(
    limit: Duration,
    call: impl Fn() -> F,
) -> RedisResult<T> {
    let give_up = Instant::now() + limit;
    let mut backoff = Backoff::default();
    loop {
        let error = match call().await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let hopeless = matches!(
            error.kind(),
            ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::ResponseError)
        );
        if hopeless || Instant::now() >= give_up {
            return Err(error);
        }
        backoff.wait().await;
    }
}

/// Turns an answer that comes too late into an error, as of a broken connection.
pub(super) async fn bounded<T>(
    limit: Duration,
    call: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err((ErrorKind::Io, "no answer in time").into()),
    }
}
