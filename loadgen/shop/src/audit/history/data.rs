//! The parts of the entities' JSON that the checks need.

use std::borrow::Cow;

use serde::Deserialize;

use super::order::Status;

#[derive(Deserialize)]
pub struct CustomerData<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub email: Cow<'a, str>,
}

#[derive(Deserialize)]
pub struct ProductData {
    pub price: i64,
}

#[derive(Deserialize)]
pub struct CartData<'a> {
    #[serde(borrow)]
    pub customer_id: Cow<'a, str>,
    #[serde(borrow)]
    pub product_ids: Vec<Cow<'a, str>>,
    /// The order that it is marked with.
    #[serde(borrow, default)]
    pub order_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub struct OrderData<'a> {
    #[serde(borrow)]
    pub cart_id: Cow<'a, str>,
    pub status: Status,
    /// This and the next two are what was ordered; events of services that know no such thing lack them.
    #[serde(default)]
    pub customer_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub lines: Option<Vec<LineData<'a>>>,
    #[serde(default)]
    pub total: Option<i64>,
}

#[derive(Deserialize)]
pub struct LineData<'a> {
    #[serde(borrow)]
    pub product_id: Cow<'a, str>,
    pub quantity: u64,
    pub price: i64,
}

#[derive(Deserialize)]
pub struct BillingData<'a> {
    #[serde(borrow)]
    pub order_id: Cow<'a, str>,
    pub amount: i64,
}

#[derive(Deserialize)]
pub struct ShippingData<'a> {
    #[serde(borrow)]
    pub order_id: Cow<'a, str>,
    #[serde(default)]
    pub delivered: f64,
}

#[derive(Deserialize)]
pub struct MailData<'a> {
    #[serde(borrow)]
    pub recipient: Cow<'a, str>,
    #[serde(borrow)]
    pub message: Cow<'a, str>,
}
