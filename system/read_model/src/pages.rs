//! Collections in pages, in the order of ids. The cost of a page depends on its size, not on the collection's.

use super::keys::Collection;
use super::store::{ReadStore, Stored};
use ordershop_contract::payload::PAGE_ENTITIES_MAX;

/// A page ends early once its entities are longer than this together: a message of the queue must take it.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// So many entities are read before it is known how long they are.
const FIRST_READ: usize = 100;

/// At most `limit` entities after a cursor, and the next page's cursor (`None` on the last page).
///
/// # Errors
/// Redis is away.
pub async fn page(
    store: &ReadStore,
    collection: Collection,
    limit: usize,
    after: Option<&str>,
) -> redis::RedisResult<(Vec<Stored>, Option<String>)> {
    let Collection::Entities(topic) = collection else {
        return Ok((Vec::new(), None));
    };
    let ids = store.ids_after(topic, after, limit).await?;
    let (mut page, mut bytes, mut read) = (Vec::new(), 0, 0);
    while read < ids.len() && bytes <= PAGE_BYTES_MAX {
        // As many as seem to fit, by those that were read.
        let fit = match read {
            0 => FIRST_READ,
            read => (PAGE_BYTES_MAX - bytes) / (bytes / read).max(1) + 1,
        };
        let next: Vec<&str> = ids[read..].iter().take(fit).map(String::as_str).collect();
        for stored in store
            .fetch(&[(collection, next)])
            .await?
            .into_iter()
            .flatten()
        {
            read += 1;
            bytes += stored.as_ref().map_or(0, |stored| stored.json().len());
            page.extend(stored);
            if bytes > PAGE_BYTES_MAX {
                break;
            }
        }
    }
    let is_last = read == ids.len() && ids.len() < limit;
    let last = read.checked_sub(1).map(|last| ids[last].clone());
    Ok((page, last.filter(|_| !is_last)))
}

/// All entities of a collection. For small ones: the whole answer is held in memory.
///
/// # Errors
/// Redis is away.
pub async fn all(store: &ReadStore, collection: Collection) -> redis::RedisResult<Vec<Stored>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (page, cursor) = page(store, collection, PAGE_ENTITIES_MAX, after.as_deref()).await?;
        all.extend(page);
        after = match cursor {
            Some(cursor) => Some(cursor),
            None => return Ok(all),
        };
    }
}
