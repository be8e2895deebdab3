//! `/report`: every list under its plural, streamed page by page. Holds one page at a time.

use axum::http::StatusCode;
use axum::response::Response;

use ordershop_contract::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::lists::List;
use super::request::GatewayRequest;

/// The report's keys. `inventory` is for clients of the original OrderShop; `inventories` is the plural that the routes use.
const LISTS: [(&str, List); 9] = [
    ("billings", List::Entities(Topic::Billing)),
    ("carts", List::Entities(Topic::Cart)),
    ("customers", List::Entities(Topic::Customer)),
    ("inventories", List::Entities(Topic::Inventory)),
    ("inventory", List::Entities(Topic::Inventory)),
    ("mails", List::Mails),
    ("orders", List::Entities(Topic::Order)),
    ("products", List::Entities(Topic::Product)),
    ("shippings", List::Entities(Topic::Shipping)),
];

/// Answers `/report`. A failure at the first page is an error with its status; a later one breaks the connection.
pub(super) async fn report(request: GatewayRequest) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    let at_least = request.at_least(&Topic::ALL).await?;
    let mut lists = LISTS.map(|(key, list)| (key, request.pages(list, at_least.clone())));
    let mut first = lists[0].1.next().await?;
    let body = body_writer::stream(&request.state, |mut body| async move {
        let mut open = "{\"result\":{";
        for (key, pages) in &mut lists {
            let page = match first.take() {
                Some(page) => page,
                None => pages.next().await?.unwrap_or_default(),
            };
            body.write(&format!("{open}\"{key}\":[")).await?;
            body.write_items(page, pages).await?;
            open = "],";
        }
        body.write("]}}").await?;
        Ok(body)
    });
    Ok(json(StatusCode::OK, body))
}
