//! Sample orders, with and without what they were decided on.

use ordershop_domain::{Order, OrderLine, OrderStatus, Purchase, Rejection};

/// An order without what it was decided on: as a client posts it, or as a foreign service tells it.
pub fn bare(status: OrderStatus) -> Order {
    Order {
        entity_id: "o-1".into(),
        cart_id: "c-1".into(),
        status,
        customer_id: None,
        lines: None,
        total: None,
    }
}

/// The same order with what it was decided on.
pub fn bought(status: OrderStatus) -> Order {
    bare(status).with_purchase(two_cups_and_a_pot())
}

pub fn two_cups_and_a_pot() -> Purchase {
    Purchase {
        customer_id: "k-1".into(),
        lines: vec![line("cup", 2, 250), line("pot", 1, 1_999)],
        total: 2_499,
    }
}

pub fn line(product_id: &str, quantity: u64, price: u64) -> OrderLine {
    OrderLine {
        product_id: product_id.into(),
        quantity,
        price,
    }
}

pub fn conflict<T>(text: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Conflict(text.into()))
}
