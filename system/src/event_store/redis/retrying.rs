//! Trying a call again over broken connections, for a limited time. Knows which errors can pass, not what is called.

use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisResult, ServerErrorKind};

use crate::backoff::Backoff;

/// Tries what may be repeated until it works, for at most `limit` (then the last error), over broken connections and a server that
/// is starting. What the server understood and refused is not tried again.
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
