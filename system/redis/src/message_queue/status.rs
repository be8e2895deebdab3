//! How many messages wait in the queues, and how many are in the hands of their workers.

use redis::{Pipeline, RedisResult};

use super::keys::QueueKeys;
use ordershop_contract::message_queue::{QueueName, QueueStatus};

/// The lengths of a queue's source list, delayed messages, suspects and dead letters, and its workers.
type Found = (u64, u64, u64, u64, Vec<String>);

/// The lengths of queues.
pub(super) async fn of(
    mut connection: impl redis::aio::ConnectionLike,
    queues: &[QueueName],
) -> RedisResult<Vec<QueueStatus>> {
    let keys: Vec<QueueKeys> = queues.iter().map(QueueKeys::new).collect();
    let mut pipeline = Pipeline::with_capacity(5 * keys.len());
    for keys in &keys {
        pipeline.llen(&keys.source).zcard(&keys.delayed);
        pipeline.llen(&keys.suspects).llen(&keys.dead);
        pipeline.zrange(&keys.workers, 0, -1);
    }
    let found: Vec<Found> = pipeline.query_async(&mut connection).await?;
    let mut pipeline = Pipeline::new();
    for (keys, (.., workers)) in keys.iter().zip(&found) {
        for worker in workers {
            pipeline.llen(keys.processing(worker));
        }
    }
    let held: Vec<u64> = if pipeline.is_empty() {
        Vec::new()
    } else {
        pipeline.query_async(&mut connection).await?
    };
    let mut held = held.into_iter();
    let of_queue = |(queue, found): (&QueueName, Found)| {
        let (waiting, delayed, suspects, dead_letters, workers) = found;
        QueueStatus {
            queue: queue.to_string(),
            depth: waiting + delayed + suspects,
            held: held.by_ref().take(workers.len()).sum(),
            dead_letters,
        }
    };
    Ok(queues.iter().zip(found).map(of_queue).collect())
}
