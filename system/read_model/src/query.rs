//! Queries as they arrive over the queue: `{"params": …, "at_least": …}`. Knows their forms and the errors in malformed ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::keys::Collection;
use ordershop_contract::payload::PAGE_ENTITIES_MAX;
use ordershop_contract::position::Positions;
use ordershop_contract::reply::{ReplyStatus, error_reply};

/// A query with the positions that its answer must include.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "P: DeserializeOwned"))]
pub struct Query<P> {
    /// The query's parameters.
    pub params: P,
    /// The positions that must be applied before the answer.
    #[serde(default)]
    pub at_least: Positions,
}

/// Params of `get_entity` and `get_entities`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityParams {
    /// `order`, …, or `reservation`.
    pub name: String,
    /// One id.
    pub id: Option<String>,
    /// Several ids.
    pub ids: Option<Vec<String>>,
    /// Fields and the value that each must have.
    pub props: Option<BTreeMap<String, serde_json::Value>>,
    /// Fields, each with the values of which it must have one.
    pub any_of: Option<BTreeMap<String, Vec<String>>>,
    /// Whether each entity comes with its version: `{"entity": …, "version": n}`.
    #[serde(default)]
    pub versions: bool,
    /// The size of a page, entities.
    pub limit: Option<usize>,
    /// The cursor after which the page begins.
    pub cursor: Option<String>,
}

/// The selection of entities.
#[derive(Debug)]
pub enum Choice {
    /// By id; `null` for one that doesn't exist.
    Ids(Vec<String>),
    /// By fields: each must have one of its values.
    Fields(BTreeMap<String, Vec<serde_json::Value>>),
    /// One page of all entities.
    Page {
        /// The maximum number of entities.
        limit: usize,
        /// The last id of the previous page.
        after: Option<String>,
    },
    /// All entities.
    All,
}

/// A parsed query for entities.
#[derive(Debug)]
pub struct Lookup {
    /// The collection to search.
    pub collection: Collection,
    /// The selection.
    pub choice: Choice,
    /// Whether one entity is wanted (`get_entity`) or many.
    pub single: bool,
    /// Whether versions are wanted.
    pub versions: bool,
    /// The positions that must be applied before the answer.
    pub at_least: Positions,
}

/// The error reply to a malformed query.
pub type BadQuery = Box<RawValue>;

/// Parses any query.
///
/// # Errors
/// The error reply to a malformed query.
pub fn parse<P: DeserializeOwned>(payload: &RawValue) -> Result<Query<P>, BadQuery> {
    serde_json::from_str(payload.get())
        .map_err(|error| error_reply(&format!("bad query: {error}"), ReplyStatus::Invalid))
}

/// The size of a page: the limit asked for, else the largest.
///
/// # Errors
/// The error reply to a limit out of range.
pub fn page_limit(limit: Option<usize>, max: usize) -> Result<usize, BadQuery> {
    let limit = limit.unwrap_or(max);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    let text = format!("limit is {limit}; it must be 1 to {max}");
    Err(error_reply(&text, ReplyStatus::Invalid))
}

/// Parses a query for one entity or many.
///
/// # Errors
/// The error reply to a malformed query.
pub fn parse_lookup(payload: &RawValue, single: bool) -> Result<Lookup, BadQuery> {
    let Query { params, at_least } = parse::<EntityParams>(payload)?;
    let bad = |text: &str| Err(error_reply(text, ReplyStatus::Invalid));
    let collection = match Collection::named(&params.name) {
        Ok(collection) => collection,
        Err(error) => return bad(&error.to_string()),
    };
    let paged = params.limit.is_some() || params.cursor.is_some();
    let choice = match (params.id, params.ids, params.props, params.any_of) {
        (Some(id), None, None, None) if single && !paged => Choice::Ids(vec![id]),
        (None, Some(ids), None, None) if !single && !paged => Choice::Ids(ids),
        (None, None, Some(props), None) if !paged => Choice::Fields(
            props
                .into_iter()
                .map(|(field, value)| (field, vec![value]))
                .collect(),
        ),
        (None, None, None, Some(any_of)) if !single && !paged => Choice::Fields(
            any_of
                .into_iter()
                .map(|(field, values)| (field, values.into_iter().map(Into::into).collect()))
                .collect(),
        ),
        (None, None, None, None) if !single && paged => Choice::Page {
            limit: page_limit(params.limit, PAGE_ENTITIES_MAX)?,
            after: params.cursor,
        },
        (None, None, None, None) if !single => Choice::All,
        _ if single => return bad("get_entity takes {name, id} or {name, props}"),
        _ => {
            return bad(
                "get_entities takes {name} and at most one of ids, props, any_of, and limit with cursor",
            );
        }
    };
    Ok(Lookup {
        collection,
        choice,
        single,
        versions: params.versions,
        at_least,
    })
}
