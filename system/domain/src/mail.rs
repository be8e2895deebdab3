//! The mails to customers. Amounts are passed in cents and shown in euros.

use serde::{Deserialize, Serialize};

use crate::customer::Customer;

/// A mail to a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The recipient's address.
    pub recipient: String,
    /// The text.
    pub message: String,
}

/// The mail to a new customer.
#[must_use]
pub fn welcome(customer: &Customer) -> Mail {
    to(customer, "welcome to OrderShop!")
}

/// The mail to a customer whose account was deleted.
#[must_use]
pub fn good_bye(customer: &Customer) -> Mail {
    to(customer, "your account is closed. Good-bye!")
}

/// The mail that is sent when an order's stock is reserved. `sum` is in cents.
#[must_use]
pub fn please_pay(customer: &Customer, order_id: &str, sum: u64) -> Mail {
    let (euros, cents) = (sum / 100, sum % 100);
    to(
        customer,
        &format!("thank you for your order {order_id}. Please pay € {euros}.{cents:02}."),
    )
}

/// The mail that is sent when a payment has arrived. `amount` is in cents.
#[must_use]
pub fn payment_received(customer: &Customer, order_id: &str, amount: u64) -> Mail {
    let (euros, cents) = (amount / 100, amount % 100);
    to(
        customer,
        &format!("we have received your payment of € {euros}.{cents:02} for order {order_id}."),
    )
}

/// The mail that is sent when a payment is returned, because its order was deleted at the same moment. `amount` is in cents.
#[must_use]
pub fn payment_returned(customer: &Customer, order_id: &str, amount: u64) -> Mail {
    let (euros, cents) = (amount / 100, amount % 100);
    to(
        customer,
        &format!(
            "order {order_id} can't be paid any more. We return your payment of € {euros}.{cents:02}."
        ),
    )
}

/// The mail that is sent when an order is shipped.
#[must_use]
pub fn shipped(customer: &Customer, order_id: &str) -> Mail {
    to(customer, &format!("your order {order_id} is on its way."))
}

fn to(customer: &Customer, text: &str) -> Mail {
    Mail {
        recipient: customer.email.clone(),
        message: format!("Dear {}, {text}", customer.name),
    }
}
