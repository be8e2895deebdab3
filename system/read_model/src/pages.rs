//! Collections in pages, in the order of ids. The cost of a page depends on its size, not on the collection's.

use super::keys::Collection;
use super::store::{ReadStore, Stored};
use ordershop_contract::payload::PAGE_ENTITIES_MAX;

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
    let cursor = (ids.len() == limit).then(|| ids.last().cloned()).flatten();
    let found = store.fetch(&[(collection, ids)]).await?;
    Ok((found.into_iter().flatten().flatten().collect(), cursor))
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
