//! How many partitions the topics of the shop in a Redis have. It is chosen once, when the shop is made, and kept there: with another number the
//! ids would lead elsewhere. Knows the number's key, not what is in the partitions.

use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisResult};

use ordershop_contract::partition::{PARTITIONS_MAX, Partition, Partitions};

/// The key of the number. Every shop may read what begins so.
const KEY: &str = "fence:partitions";

/// The key of the versions of a partition's aggregates, which is there as soon as an event was written.
pub(crate) fn versions_key(partition: Partition) -> String {
    format!("versions:{{{partition}}}")
}

/// The number of the shop there; one where there is none.
///
/// # Errors
/// Redis is away, or something else is kept there.
pub async fn kept(connection: &mut impl ConnectionLike) -> RedisResult<Partitions> {
    Ok(there(connection).await?.unwrap_or_default())
}

/// Chooses the number for a shop that is made now; returns the one that the shop has then.
///
/// # Errors
/// Redis is away, or something else is kept there.
pub async fn choose(
    connection: &mut impl ConnectionLike,
    wanted: Partitions,
) -> RedisResult<Partitions> {
    let number = there(connection).await?.unwrap_or(wanted);
    let mut set = redis::cmd("SET");
    set.arg(KEY).arg(number.count()).arg("NX");
    set.exec_async(connection).await?;
    kept(connection).await
}

/// The number of the shop there: the one that was chosen, or, for a shop of before or one whose key was lost, as many as its streams need. `None`
/// if there is no shop.
pub(crate) async fn there(connection: &mut impl ConnectionLike) -> RedisResult<Option<Partitions>> {
    let chosen: Option<String> = redis::cmd("GET").arg(KEY).query_async(connection).await?;
    let Some(chosen) = chosen else {
        return found(connection).await;
    };
    match chosen.parse().ok().and_then(Partitions::new) {
        Some(partitions) => Ok(Some(partitions)),
        None => Err((
            ErrorKind::UnexpectedReturnType,
            "the key \"fence:partitions\" is not a number from 1 to 64",
            chosen,
        )
            .into()),
    }
}

/// As many as there must be for the events that are there; `None` if there are none.
async fn found(connection: &mut impl ConnectionLike) -> RedisResult<Option<Partitions>> {
    let all = || Partitions::new(PARTITIONS_MAX).unwrap_or_default().all();
    let mut pipe = redis::pipe();
    for partition in all() {
        pipe.cmd("EXISTS").arg(versions_key(partition));
    }
    let there: Vec<bool> = pipe.query_async(connection).await?;
    let there = all().zip(there).filter(|(_, there)| *there);
    let highest = there.map(|(Partition { number, .. }, _)| number).max();
    Ok(highest.and_then(|number| Partitions::new(number + 1)))
}
