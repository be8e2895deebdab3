//! Looks up entities for a batch of queries at a time, in two round trips: what ids and indexes name, then what that leads to.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::keys::{Collection, indexed_fields};
use super::pages;
use super::query::{Choice, Form, Lookup, Question};
use super::store::{ReadStore, Stored};
use ordershop_contract::reply::{ReplyStatus, error_reply};
use ordershop_contract::topic::Topic;

/// What was found of one collection: `None` for an id that doesn't exist.
type Found = (Collection, Vec<Option<Stored>>);

/// Answers every question of a batch, in their order.
///
/// # Errors
/// Redis is away.
pub async fn answer_all(
    store: &ReadStore,
    questions: &[Question],
) -> redis::RedisResult<Vec<Box<RawValue>>> {
    let lookups: Vec<&Lookup> = questions.iter().flat_map(|q| &q.lookups).collect();
    let mut found = look_up(store, &lookups).await?.into_iter();
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        let of_lookups = found.by_ref().take(question.lookups.len());
        let found: Vec<Found> = of_lookups.flatten().collect();
        let mut entities = found
            .iter()
            .flat_map(|(_, found)| found)
            .map(Option::as_ref);
        answers.push(match question.form {
            Form::Facts => facts(&found),
            Form::One { versions } => one(entities.next().flatten(), versions),
            Form::Many { versions } => match question.lookups.first() {
                Some(lookup) => list(store, lookup, entities, versions).await?,
                None => many(entities, versions, None),
            },
        });
    }
    Ok(answers)
}

/// `{"result": […]}` of one lookup: a page, a whole collection, or what was found.
async fn list<'a>(
    store: &ReadStore,
    lookup: &Lookup,
    found: impl Iterator<Item = Option<&'a Stored>>,
    versions: bool,
) -> redis::RedisResult<Box<RawValue>> {
    Ok(match &lookup.choice {
        Choice::Page { limit, after } => {
            let (page, cursor) =
                pages::page(store, lookup.collection, *limit, after.as_deref()).await?;
            many(page.iter().map(Some), versions, Some(cursor))
        }
        Choice::All => {
            let all = pages::all(store, lookup.collection).await?;
            many(all.iter().map(Some), versions, None)
        }
        Choice::Ids(_) | Choice::Fields(_) => many(found, versions, None),
    })
}

/// Returns what each lookup names, and what that refers to. Two round trips: ids and indexes, then what these lead to.
async fn look_up(store: &ReadStore, lookups: &[&Lookup]) -> redis::RedisResult<Vec<Vec<Found>>> {
    let ids = |lookup: &&Lookup| match &lookup.choice {
        Choice::Ids(ids) => (lookup.collection, ids.clone()),
        _ => (lookup.collection, Vec::new()),
    };
    let ids: Vec<(Collection, Vec<String>)> = lookups.iter().map(ids).collect();
    let (by_id, candidates) = tokio::try_join!(store.fetch(&ids), candidates(store, lookups))?;
    let (mut places, mut wanted) = (Vec::new(), Vec::new());
    for (place, (lookup, found)) in lookups.iter().zip(&by_id).enumerate() {
        let referred = referred(lookup, found).into_iter();
        let referred = referred.map(|(topic, ids)| (Collection::Entities(topic), ids));
        wanted.extend(referred);
        places.resize(wanted.len(), place);
    }
    for (place, ids) in candidates {
        places.push(place);
        wanted.push((lookups[place].collection, ids));
    }
    let led_to = store.fetch(&wanted).await?;
    let by_id = ids.into_iter().zip(by_id);
    let mut all: Vec<Vec<Found>> = by_id.map(|((of, _), found)| vec![(of, found)]).collect();
    for ((place, (collection, _)), found) in places.into_iter().zip(wanted).zip(led_to) {
        all[place].push((collection, found));
    }
    for (lookup, all) in lookups.iter().zip(&mut all) {
        let Choice::Fields(fields) = &lookup.choice else {
            continue;
        };
        if indexed(lookup.collection, fields).is_none() {
            let entities = pages::all(store, lookup.collection).await?;
            all.push((lookup.collection, entities.into_iter().map(Some).collect()));
        }
        for (_, found) in all {
            found.retain(|found| found.as_ref().is_some_and(|found| fits(found, fields)));
        }
    }
    Ok(all)
}

/// The ids in the followed fields of what a lookup found.
fn referred(lookup: &Lookup, found: &[Option<Stored>]) -> BTreeMap<Topic, Vec<String>> {
    let mut referred: BTreeMap<Topic, Vec<String>> = BTreeMap::new();
    if lookup.follow.is_empty() {
        return referred;
    }
    let found = found.iter().flatten();
    for entity in found.filter_map(|stored| stored.parse::<serde_json::Value>()) {
        for (field, topic) in &lookup.follow {
            let ids = referred.entry(*topic).or_default();
            ids.extend(ids_in(&entity[field]).map(str::to_owned));
        }
    }
    for ids in referred.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    referred
}

/// The ids in a field: one, or an array of them.
fn ids_in(field: &serde_json::Value) -> impl Iterator<Item = &str> {
    let ids = match field {
        serde_json::Value::Array(ids) => ids.as_slice(),
        one => std::slice::from_ref(one),
    };
    ids.iter().filter_map(serde_json::Value::as_str)
}

/// Returns the ids that indexes name for lookups by field, by the place of the lookup. One round trip.
async fn candidates(
    store: &ReadStore,
    lookups: &[&Lookup],
) -> redis::RedisResult<BTreeMap<usize, Vec<String>>> {
    let mut asked = Vec::new();
    let mut places = Vec::new();
    for (place, lookup) in lookups.iter().enumerate() {
        if let Choice::Fields(fields) = &lookup.choice
            && let Some((field, values)) = indexed(lookup.collection, fields)
        {
            let topic = lookup.collection.topic();
            asked.extend(values.into_iter().map(|value| (topic, field, value)));
            places.resize(asked.len(), place);
        }
    }
    let mut by_place: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (place, candidates) in places.into_iter().zip(store.candidates(&asked).await?) {
        by_place.entry(place).or_default().extend(candidates);
    }
    // Two entries of an index may name the same entity (its field changed and changed back).
    for ids in by_place.values_mut() {
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(by_place)
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

/// `{"result": {"<collection>": [{"entity": …, "version": n}, …], …}}`, without ids that don't exist.
fn facts(found: &[Found]) -> Box<RawValue> {
    let mut by_name: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for (collection, found) in found {
        let there = by_name.entry(collection.name()).or_default();
        there.extend(found.iter().flatten());
    }
    let mut text = String::from(r#"{"result":{"#);
    for (n, (name, found)) in by_name.into_iter().enumerate() {
        text.push_str(if n > 0 { ",\"" } else { "\"" });
        text.push_str(name);
        text.push_str("\":[");
        push_all(&mut text, found.into_iter().map(Some), true);
        text.push(']');
    }
    text.push_str("}}");
    raw(text)
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
    push_all(&mut text, stored, versions);
    text.push(']');
    if let Some(cursor) = cursor {
        text.push_str(r#","cursor":"#);
        text.push_str(ordershop_contract::wire::json(&cursor).get());
    }
    text.push('}');
    raw(text)
}

fn push_all<'a>(
    text: &mut String,
    stored: impl Iterator<Item = Option<&'a Stored>>,
    versions: bool,
) {
    for (n, stored) in stored.enumerate() {
        if n > 0 {
            text.push(',');
        }
        push(text, stored, versions);
    }
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
