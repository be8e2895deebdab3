//! Queries as they arrive over the queue: `{"params": …, "at_least": …}`. Knows their forms and the errors in malformed ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::keys::Collection;
use ordershop_contract::payload::PAGE_ENTITIES_MAX;
use ordershop_contract::position::Positions;
use ordershop_contract::reply::{ReplyStatus, error_reply};
use ordershop_contract::topic::Topic;

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

/// Params of `get_facts`: all that a handler needs to decide.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsParams {
    lookups: Vec<FactParams>,
}

/// One selection of entities: by the values of an indexed field, or by ids, with the fields whose ids are looked up too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactParams {
    name: String,
    ids: Option<Vec<String>>,
    any_of: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    follow: BTreeMap<String, Topic>,
}

/// Params of `get_entity` and `get_entities`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityParams {
    /// `order`, …, or `reservation`.
    name: String,
    /// One id.
    id: Option<String>,
    /// Several ids.
    ids: Option<Vec<String>>,
    /// Fields and the value that each must have.
    props: Option<BTreeMap<String, serde_json::Value>>,
    /// Fields, each with the values of which it must have one.
    any_of: Option<BTreeMap<String, Vec<String>>>,
    /// Whether each entity comes with its version: `{"entity": …, "version": n}`.
    #[serde(default)]
    versions: bool,
    /// The size of a page, entities.
    limit: Option<usize>,
    /// The cursor after which the page begins.
    cursor: Option<String>,
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

/// One selection from one collection.
#[derive(Debug)]
pub struct Lookup {
    /// The collection to search.
    pub collection: Collection,
    /// The selection.
    pub choice: Choice,
    /// The fields with the ids of other entities that are looked up too.
    pub follow: BTreeMap<String, Topic>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One entity or `null` (`get_entity`).
    One {
        /// Whether it comes with its version.
        versions: bool,
    },
    /// An array of entities (`get_entities`).
    Many {
        /// Whether each comes with its version.
        versions: bool,
    },
    /// Entities with their versions by the name of their collection (`get_facts`).
    Facts,
}

/// A parsed query for entities.
#[derive(Debug)]
pub struct Question {
    /// The selections: one, or for facts any number.
    pub lookups: Vec<Lookup>,
    /// The form of the answer.
    pub form: Form,
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

fn bad<T>(text: &str) -> Result<T, BadQuery> {
    Err(error_reply(text, ReplyStatus::Invalid))
}

fn collection(name: &str) -> Result<Collection, BadQuery> {
    Collection::named(name).or_else(|error| bad(&error.to_string()))
}

/// Parses a query for facts.
///
/// # Errors
/// The error reply to a malformed query.
pub fn parse_facts(payload: &RawValue) -> Result<Question, BadQuery> {
    let Query { params, at_least } = parse::<FactsParams>(payload)?;
    let lookup = |params: FactParams| {
        let collection = collection(&params.name)?;
        let choice = match (params.ids, params.any_of) {
            (Some(ids), None) => Choice::Ids(ids),
            (None, Some(any_of))
                if params.follow.is_empty() && collection.has_index(any_of.keys()) =>
            {
                Choice::Fields(any_of_values(any_of))
            }
            _ => {
                return bad(
                    "each lookup of get_facts takes ids and follow, or any_of of an indexed field",
                );
            }
        };
        Ok(Lookup {
            collection,
            choice,
            follow: params.follow,
        })
    };
    Ok(Question {
        lookups: params
            .lookups
            .into_iter()
            .map(lookup)
            .collect::<Result<_, _>>()?,
        form: Form::Facts,
        at_least,
    })
}

fn any_of_values(
    any_of: BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Vec<serde_json::Value>> {
    let values = |(field, values): (String, Vec<String>)| {
        (field, values.into_iter().map(Into::into).collect())
    };
    any_of.into_iter().map(values).collect()
}

/// Parses a query for one entity or many.
///
/// # Errors
/// The error reply to a malformed query.
pub fn parse_entities(payload: &RawValue, single: bool) -> Result<Question, BadQuery> {
    let Query { params, at_least } = parse::<EntityParams>(payload)?;
    let collection = collection(&params.name)?;
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
        (None, None, None, Some(any_of)) if !single && !paged => {
            Choice::Fields(any_of_values(any_of))
        }
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
    let versions = params.versions;
    let lookup = Lookup {
        collection,
        choice,
        follow: BTreeMap::new(),
    };
    Ok(Question {
        lookups: vec![lookup],
        form: if single {
            Form::One { versions }
        } else {
            Form::Many { versions }
        },
        at_least,
    })
}
