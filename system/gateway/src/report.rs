//! `/report`: every collection under its plural, streamed page by page. Holds one page at a time.

use axum::http::StatusCode;
use axum::response::Response;

use ordershop_contract::topic::Topic;

use super::body_writer;
use super::error::{HttpError, json};
use super::pages::Pages;
use super::paging::PAGE_MAX;
use super::request::GatewayRequest;

/// The report's keys. `inventory` is for clients of the original OrderShop; `inventories` is the plural that the routes use.
const COLLECTIONS: [(&str, Topic); 9] = [
    ("billings", Topic::Billing),
    ("carts", Topic::Cart),
    ("customers", Topic::Customer),
    ("inventories", Topic::Inventory),
    ("inventory", Topic::Inventory),
    ("mails", Topic::Mail),
    ("orders", Topic::Order),
    ("products", Topic::Product),
    ("shippings", Topic::Shipping),
];

/// Answers `/report`. A failure at the first page is an error with its status; a later one breaks the connection.
pub(super) async fn report(request: GatewayRequest) -> Result<Response, HttpError> {
    request.query_string(&[])?;
    let at_least = request.at_least(&Topic::ALL)?;
    let mut collections = COLLECTIONS.map(|(key, topic)| {
        let pages = Pages::new(
            &request.shared,
            topic,
            PAGE_MAX,
            at_least,
            &request.trace.correlation_id,
        );
        (key, pages)
    });
    let mut first = collections[0].1.next().await?;
    let body = body_writer::stream(&request.shared, |mut body| async move {
        let mut open = "{\"result\":{";
        for (key, pages) in &mut collections {
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
