//! Looks up entities for a batch of queries at a time: one round trip for all indexes, one for all hashes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::keys::{Collection, indexed_fields};
use super::pages;
use super::query::{Choice, Lookup};
use super::store::{ReadStore, Stored};
use ordershop_contract::reply::{ReplyStatus, error_reply};

/// Answers every lookup of a batch, in their order.
///
/// # Errors
/// Redis is away.
pub async fn answer_all(
    store: &ReadStore,
    lookups: &[Lookup],
) -> redis::RedisResult<Vec<Box<RawValue>>> {
    let ids = resolve(store, lookups).await?;
    let found = store.fetch(&ids).await?;
    let mut answers = Vec::with_capacity(lookups.len());
    for (lookup, found) in lookups.iter().zip(found) {
        answers.push(match &lookup.choice {
            Choice::Ids(_) if lookup.single => {
                one(found.first().and_then(Option::as_ref), lookup.versions)
            }
            Choice::Ids(_) => many(found.iter().map(Option::as_ref), lookup.versions, None),
            Choice::Fields(fields) if indexed(lookup.collection, fields).is_some() => {
                let fitting = found.iter().flatten().filter(|stored| fits(stored, fields));
                chosen(fitting, lookup)
            }
            Choice::Fields(fields) => {
                let all = pages::all(store, lookup.collection).await?;
                chosen(all.iter().filter(|stored| fits(stored, fields)), lookup)
            }
            Choice::Page { limit, after } => {
                let (page, cursor) =
                    pages::page(store, lookup.collection, *limit, after.as_deref()).await?;
                many(page.iter().map(Some), lookup.versions, Some(cursor))
            }
            Choice::All => {
                let all = pages::all(store, lookup.collection).await?;
                many(all.iter().map(Some), lookup.versions, None)
            }
        });
    }
    Ok(answers)
}

fn chosen<'a>(mut fitting: impl Iterator<Item = &'a Stored>, lookup: &Lookup) -> Box<RawValue> {
    if lookup.single {
        return one(fitting.next(), lookup.versions);
    }
    many(fitting.map(Some), lookup.versions, None)
}

/// Returns the ids for each lookup; none for lookups that read pages.
async fn resolve(
    store: &ReadStore,
    lookups: &[Lookup],
) -> redis::RedisResult<Vec<(Collection, Vec<String>)>> {
    let mut ids: Vec<(Collection, Vec<String>)> = Vec::with_capacity(lookups.len());
    let mut by_index = Vec::new();
    for (place, lookup) in lookups.iter().enumerate() {
        let wanted = match &lookup.choice {
            Choice::Ids(wanted) => wanted.clone(),
            _ => Vec::new(),
        };
        ids.push((lookup.collection, wanted));
        if let Choice::Fields(fields) = &lookup.choice
            && let Some((field, values)) = indexed(lookup.collection, fields)
        {
            let topic = lookup.collection.topic();
            by_index.extend(
                values
                    .into_iter()
                    .map(|value| (place, (topic, field, value))),
            );
        }
    }
    let asked: Vec<_> = by_index.iter().map(|(_, asked)| *asked).collect();
    let candidates = store.candidates(&asked).await?;
    for ((place, _), candidates) in by_index.into_iter().zip(candidates) {
        ids[place].1.extend(candidates);
    }
    // Two entries of an index may name the same entity (its field changed and changed back).
    for (lookup, (_, ids)) in lookups.iter().zip(&mut ids) {
        if matches!(lookup.choice, Choice::Fields(_)) {
            ids.sort_unstable();
            ids.dedup();
        }
    }
    Ok(ids)
}

/// The first field that has an index, with its values, if all of them are strings.
fn indexed(
    collection: Collection,
    fields: &BTreeMap<String, Vec<serde_json::Value>>,
) -> Option<(&'static str, Vec<&str>)> {
    let Collection::Entities(topic) = collection else {
        return None;
    };
    indexed_fields(topic).iter().find_map(|&field| {
        let values = fields.get(field)?.iter().map(serde_json::Value::as_str);
        Some((field, values.collect::<Option<Vec<_>>>()?))
    })
}

fn fits(stored: &Stored, fields: &BTreeMap<String, Vec<serde_json::Value>>) -> bool {
    let Ok(entity) = serde_json::from_str::<serde_json::Value>(stored.json()) else {
        return false;
    };
    fields.iter().all(|(field, values)| {
        entity
            .get(field)
            .is_some_and(|value| values.contains(value))
    })
}

fn one(stored: Option<&Stored>, versions: bool) -> Box<RawValue> {
    let mut text = String::with_capacity(stored.map_or(0, |stored| stored.json().len()) + 64);
    text.push_str(r#"{"result":"#);
    push(&mut text, stored, versions);
    text.push('}');
    raw(text)
}

/// `{"result": […]}`, with a cursor if there are pages (`Some(None)` on the last one).
pub fn many<'a>(
    stored: impl Iterator<Item = Option<&'a Stored>>,
    versions: bool,
    cursor: Option<Option<String>>,
) -> Box<RawValue> {
    let mut text = String::from(r#"{"result":["#);
    for (n, stored) in stored.enumerate() {
        if n > 0 {
            text.push(',');
        }
        push(&mut text, stored, versions);
    }
    text.push(']');
    if let Some(cursor) = cursor {
        text.push_str(r#","cursor":"#);
        text.push_str(ordershop_contract::wire::json(&cursor).get());
    }
    text.push('}');
    raw(text)
}

fn push(text: &mut String, stored: Option<&Stored>, versions: bool) {
    match stored {
        None => text.push_str("null"),
        Some(stored) if versions => {
            text.push_str(r#"{"entity":"#);
            text.push_str(stored.json());
            text.push_str(r#","version":"#);
            text.push_str(stored.version());
            text.push('}');
        }
        Some(stored) => text.push_str(stored.json()),
    }
}

/// Turns text made from the cache's JSON into a reply; if the cache's text isn't JSON, into an error reply.
pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|error| {
        error_reply(
            &format!("the cache is not JSON: {error}"),
            ReplyStatus::Failed,
        )
    })
}
