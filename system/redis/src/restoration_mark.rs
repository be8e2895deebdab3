//! The mark of a Redis to which a backup is being put back. Knows the key, not what is done while it is there.

use redis::aio::ConnectionLike;
use redis::{Pipeline, RedisResult};

/// Names the backup that is being put back; without it a shop is whole, or there is none. Every shop may read what begins so.
const MARK: &str = "fence:backup";

/// The backup of which a restoration was begun and is not finished.
pub(crate) async fn unfinished(
    connection: &mut impl ConnectionLike,
) -> RedisResult<Option<String>> {
    redis::cmd("GET").arg(MARK).query_async(connection).await
}

/// Marks that a backup is being put back.
pub(crate) fn mark(pipe: &mut Pipeline, backup: &str) {
    pipe.cmd("SET").arg(MARK).arg(backup);
}

/// Takes the mark off.
pub(crate) fn unmark(pipe: &mut Pipeline) {
    pipe.cmd("UNLINK").arg(MARK);
}
