//! `mails`: exactly one mail for each event that requires one, with the right text and recipient, and none without such an event. The mail
//! may be missing if the customer, the cart or the order was deleted in the meantime.

use super::super::fingerprint::fingerprint_text;
use super::super::history::{
    CartState, FACTS_BEFORE_US, History, Id, Occasion, Person, SentMails, StateTimeline,
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
            None if somebody_is_gone(history, occasion) => None,
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
        Occasion::PleasePay(order) | Occasion::Paid(order, _) | Occasion::Shipped(order) => {
            Some(order)
        }
    }
}

fn named(occasion: &Occasion) -> &'static str {
    match occasion {
        Occasion::Welcome(_) => "a new customer",
        Occasion::GoodBye(_) => "a customer who left",
        Occasion::PleasePay(_) => "an order in stock",
        Occasion::Paid(..) => "a billing",
        Occasion::Shipped(_) => "a shipping",
    }
}

fn somebody_is_gone(history: &History, occasion: &Occasion) -> bool {
    let Some(order_id) = subject(occasion) else {
        return false;
    };
    let Some(order) = history.orders.get(order_id) else {
        return true;
    };
    let cart = history.carts.get(&order.cart);
    let gone = |cart: &StateTimeline<CartState>| {
        let customer_gone = |id: &Id| {
            let customer = history.customers.get(id);
            customer.is_none_or(|customer| customer.deleted_us.is_some())
        };
        cart.deleted_us.is_some() || cart.ever().any(|state| customer_gone(&state.customer))
    };
    // A deleted product has no price, so the sum of the order is unknown.
    let prices_gone = |cart: &StateTimeline<CartState>| {
        let mut products = cart.ever().flat_map(|state| &state.pieces);
        products.any(|(product, _)| {
            let prices = history.prices.get(product);
            prices.is_none_or(|prices| prices.deleted_us.is_some())
        })
    };
    order.deleted
        || cart.is_none_or(gone)
        || matches!(occasion, Occasion::PleasePay(_)) && cart.is_none_or(prices_gone)
}

/// What is wrong with the mail, if its text can be known.
fn misworded(
    history: &History,
    occasion: &Occasion,
    at_us: u64,
    sent: &SentMails,
) -> Option<String> {
    let text = match occasion {
        Occasion::Welcome(_) => "welcome to OrderShop!".to_owned(),
        Occasion::GoodBye(_) => "your account is closed. Good-bye!".to_owned(),
        Occasion::PleasePay(order) => {
            let costs = history.costs(order, at_us.saturating_sub(FACTS_BEFORE_US), sent.at_us);
            match costs.as_slice() {
                [(low, high)] if low == high => format!(
                    "thank you for your order {order}. Please pay € {}.{:02}.",
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
    };
    let to = |person: &Person| {
        let message = format!("Dear {}, {text}", person.name);
        fingerprint_text(&[&person.email, &message]) == sent.fingerprint
    };
    let right = match occasion {
        Occasion::Welcome(person) | Occasion::GoodBye(person) => to(person),
        Occasion::PleasePay(order) | Occasion::Paid(order, _) | Occasion::Shipped(order) => {
            let cart = history.orders.get(order).map(|order| &order.cart);
            let states = cart.and_then(|cart| history.carts.get(cart));
            let mut buyers = states.into_iter().flat_map(|states| states.ever());
            buyers.any(|state| {
                let person = history.customers.get(&state.customer);
                person.is_some_and(|person| person.ever().any(to))
            })
        }
    };
    (!right).then(|| "a mail with a wrong text or recipient".to_owned())
}
