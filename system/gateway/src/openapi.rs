//! `/openapi.json`: the OpenAPI 3.1 description of every route, made from the table of routes. Must not know how a route is served.

pub(super) mod describe;
mod operation;
mod schemas;

use axum::body::Bytes;
use serde_json::{Map, json};

pub(super) use operation::Operation;

use super::config::GatewayConfig;

const ABOUT: &str = "An event-sourced shop on Redis. Errors are `{\"error\": \"<what, and what would be right>\"}`; a refused write changes \
     nothing. A GET also answers HEAD, every path OPTIONS. Requests must name the gateway by an address, `localhost`, a name without a dot \
     or one of `--allowed-host`; pages of foreign origins can neither write nor listen (403).";

/// The document of these operations: path, method in lower case, and description.
pub(super) fn document<'a>(
    operations: impl Iterator<Item = (&'a str, &'static str, &'a Operation)>,
    config: &GatewayConfig,
) -> Bytes {
    let mut paths = Map::new();
    for (path, method, operation) in operations {
        let of_path = paths.entry(path).or_insert_with(|| json!({}));
        of_path[method] = operation.described(config.entities_per_array_max);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "OrderShop",
            "version": config.build.version,
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas::all() },
    });
    document.to_string().into()
}
