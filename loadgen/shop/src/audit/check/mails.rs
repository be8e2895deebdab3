//! `mails`: exactly one mail for each event that requires one, with the right text and recipient, and none without such an event. A mail may
//! be missing if its customer, or the order that it is about, was deleted in the meantime.

use super::super::fingerprint::fingerprint_text;
use super::super::history::{
    FACTS_BEFORE_US, History, Id, Occasion, OrderRecord, Person, SentMails,
};
use loadgen_report::audit::CheckReport;

/// Checks every occasion and every mail.
pub fn mails(history: &History) -> CheckReport {
    let mut report = CheckReport::new("mails", "occasions");
    for (event_id, (occasion, at_us)) in &history.occasions {
        if *at_us < history.since_us {
            continue;
        }
        let fault = match history.mails.get(event_id) {
            None if may_be_missing(history, occasion) => None,
            None => Some("no mail".to_owned()),
            Some(sent) if sent.count > 1 => Some(format!("{} mails", sent.count)),
            Some(sent) => misworded(history, occasion, *at_us, sent),
        };
        let fault =
            fault.map(|fault| format!("{fault} for {} (event {event_id})", named(occasion)));
        report.look(subject(occasion).unwrap_or(event_id), fault);
    }
    for (cause, sent) in &history.mails {
        if sent.at_us >= history.since_us && !history.occasions.contains_key(cause) {
            report.fell(cause.as_ref(), "a mail that no event requires");
        }
    }
    report
}

fn subject(occasion: &Occasion) -> Option<&Id> {
    match occasion {
        Occasion::Welcome(_) | Occasion::GoodBye(_) => None,
        Occasion::PleasePay(order)
        | Occasion::Paid(order, _)
        | Occasion::Shipped(order)
        | Occasion::Returned { order, .. } => Some(order),
    }
}

fn named(occasion: &Occasion) -> &'static str {
    match occasion {
        Occasion::Welcome(_) => "a new customer",
        Occasion::GoodBye(_) => "a customer who left",
        Occasion::PleasePay(_) => "an order in stock",
        Occasion::Paid(..) => "a billing",
        Occasion::Shipped(_) => "a shipping",
        Occasion::Returned { .. } => "a returned payment",
    }
}

fn may_be_missing(history: &History, occasion: &Occasion) -> bool {
    let Some(order_id) = subject(occasion) else {
        return false;
    };
    let Some(order) = history.orders.get(order_id) else {
        return true;
    };
    let customer = history
        .buyer(order)
        .and_then(|id| history.customers.get(id));
    if customer.is_none_or(|customer| customer.deleted_us.is_some()) {
        return true;
    }
    match occasion {
        // A client that takes its own billing back need not be told.
        Occasion::Returned { by_saga, .. } => !by_saga || order.bought.is_none(),
        Occasion::PleasePay(_) if order.bought.is_some() => false,
        _ => order.deleted || order.bought.is_none() && is_cart_unknown(history, order),
    }
}

/// Whether the cart of an order without lines, or one of its products, was deleted: then nobody knows the customer or the sum.
fn is_cart_unknown(history: &History, order: &OrderRecord) -> bool {
    let Some(cart) = history.carts.get(&order.cart) else {
        return true;
    };
    let mut products = cart.ever().flat_map(|state| &state.pieces);
    cart.deleted_us.is_some()
        || products.any(|(product, _)| {
            let prices = history.prices.get(product);
            prices.is_none_or(|prices| prices.deleted_us.is_some())
        })
}

/// What is wrong with the mail, if its text can be known.
fn misworded(
    history: &History,
    occasion: &Occasion,
    at_us: u64,
    sent: &SentMails,
) -> Option<String> {
    let from_us = at_us.saturating_sub(FACTS_BEFORE_US);
    let text = match occasion {
        Occasion::Welcome(_) => "welcome to OrderShop!".to_owned(),
        Occasion::GoodBye(_) => "your account is closed. Good-bye!".to_owned(),
        Occasion::PleasePay(id) => {
            let order = history.orders.get(id);
            match order.and_then(|order| history.costs(order, from_us, sent.at_us)) {
                Some((low, high)) if low == high => format!(
                    "thank you for your order {id}. Please pay € {}.{:02}.",
                    low / 100,
                    low % 100
                ),
                // The prices changed in the meantime, so the sum in the mail can't be known.
                _ => return None,
            }
        }
        Occasion::Paid(order, amount) => format!(
            "we have received your payment of € {}.{:02} for order {order}.",
            amount / 100,
            amount % 100
        ),
        Occasion::Shipped(order) => format!("your order {order} is on its way."),
        Occasion::Returned { .. } => String::new(),
    };
    let to = |person: &Person| match (occasion, &sent.free) {
        // Its words are the shop's choice, but it goes to the customer and names the order.
        (Occasion::Returned { order, .. }, Some((recipient, message))) => {
            *recipient == person.email && message.contains(order.as_ref())
        }
        _ => {
            let message = format!("Dear {}, {text}", person.name);
            fingerprint_text(&[&person.email, &message]) == sent.fingerprint
        }
    };
    let right = match occasion {
        Occasion::Welcome(person) | Occasion::GoodBye(person) => to(person),
        Occasion::PleasePay(order)
        | Occasion::Paid(order, _)
        | Occasion::Shipped(order)
        | Occasion::Returned { order, .. } => {
            let order = history.orders.get(order);
            let buyer = order.and_then(|order| history.buyer(order));
            let person = buyer.and_then(|buyer| history.customers.get(buyer));
            person.is_some_and(|person| person.ever().any(to))
        }
    };
    (!right).then(|| "a mail with a wrong text or recipient".to_owned())
}
