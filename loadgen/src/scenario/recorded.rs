//! Names of journeys, lists and variables that a replay and its scenario share. The scenario's file
//! uses them; the replay sets them.

/// The journey of an invoice that is an order.
pub const ORDER: &str = "order";
/// The journey of an invoice that is a cancellation.
pub const CANCELLATION: &str = "cancellation";
/// A list for set-up: the products, each `{code, name, price, stock}`; price in cents, stock in pieces.
pub const PRODUCTS: &str = "trace_products";
/// A list for set-up: the customers, each `{code, name, email}`; a guest's code is null.
pub const CUSTOMERS: &str = "trace_customers";
/// The time from an order to its payment, as a duration's text, at the replay's speed.
pub const PAY_AFTER: &str = "pay_after";

/// The variables that journeys may list as `inputs`.
pub mod input {
    /// The invoice's id in the export.
    pub const INVOICE: &str = "invoice";
    /// The customer's index in the list of customers. It is unique, so it is a key too.
    pub const CUSTOMER: &str = "customer";
    /// The products' indexes in the list of products, one per piece. Orders only.
    pub const PRODUCTS: &str = "products";
    /// The amount to pay, in cents. Orders only.
    pub const AMOUNT: &str = "amount";
}

/// The inputs that a replay's journey may have; empty for journeys that are never replayed.
pub fn inputs(journey: &str) -> &'static [&'static str] {
    match journey {
        ORDER => &[
            input::INVOICE,
            input::CUSTOMER,
            input::PRODUCTS,
            input::AMOUNT,
        ],
        CANCELLATION => &[input::INVOICE, input::CUSTOMER],
        _ => &[],
    }
}
