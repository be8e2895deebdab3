//! What a recorded trace gives to the scenario that replays it: the names of journeys, lists and variables. The scenario's file
//! uses them, the replay fills them.

/// The journey of an invoice that orders.
pub const ORDER: &str = "order";
/// The journey of an invoice that cancels.
pub const CANCELLATION: &str = "cancellation";
/// A list for set-up: what must be sold, each `{code, name, price, stock}`; price in cents, stock in pieces.
pub const PRODUCTS: &str = "trace_products";
/// A list for set-up: who orders, each `{code, name, email}`; a guest's code is null.
pub const CUSTOMERS: &str = "trace_customers";
/// How long after its order an invoice is paid, as a duration's text, the replay's speed reckoned in.
pub const PAY_AFTER: &str = "pay_after";

/// What the journey of an order may have as `inputs`.
pub mod input {
    /// The invoice's id in the export.
    pub const INVOICE: &str = "invoice";
    /// The customer's place in the list of customers; no two customers share one, so that it is a key too.
    pub const CUSTOMER: &str = "customer";
    /// The products' places in the list of products, one per piece. Orders only.
    pub const PRODUCTS: &str = "products";
    /// What has to be paid, in cents. Orders only.
    pub const AMOUNT: &str = "amount";
}

/// What a journey of a replay may have as inputs; nothing for a journey that is never played.
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
