//! `ordered`: every order is what was ordered. Its lines are what its cart held, at the prices of then, its total is their sum, and neither
//! changes later. At most one order of a cart lives, and no cart is kept for an order that is not there.

use std::collections::HashMap;

use super::super::history::{Bought, FACTS_BEFORE_US, History, Id, OrderRecord};
use loadgen_report::audit::CheckReport;

/// Checks every order.
pub fn ordered(history: &History) -> CheckReport {
    let mut report = CheckReport::new("ordered", "orders and carts that are kept for one");
    let mut first_of_cart: HashMap<&Id, (u64, &Id)> = HashMap::new();
    for (id, order) in history.orders.iter().filter(|(_, order)| order.is_live()) {
        let this = (order.began_us, id);
        let first = first_of_cart.entry(&order.cart).or_insert(this);
        *first = this.min(*first);
    }
    let judged = history
        .orders
        .iter()
        .filter(|(_, order)| order.began_us >= history.since_us);
    for (id, order) in judged {
        let first = first_of_cart.get(&order.cart).map(|(_, first)| *first);
        let fault = match first {
            Some(first) if order.is_live() && first != id => {
                Some(format!("cart {} already has order {first}", order.cart))
            }
            _ => misremembered(history, order),
        };
        report.look(id, fault);
    }
    for (id, cart) in &history.carts {
        if let Some((since_us, state)) = cart.now()
            && since_us >= history.since_us
            && let Some(order) = &state.order
        {
            let gone = history.orders.get(order).is_none_or(|order| order.deleted);
            let fault = || format!("it is kept for order {order}, which is not there");
            report.look(id, gone.then(fault));
        }
    }
    report
}

/// How the order differs from what was ordered; nothing is known of orders without lines.
fn misremembered(history: &History, order: &OrderRecord) -> Option<String> {
    if order.reordered {
        return Some("its cart, customer, lines or total changed after its creation".to_owned());
    }
    let bought = order.bought.as_ref()?;
    let (total, cost) = (bought.total, bought.cost());
    if i128::from(total) != cost {
        return Some(format!("its total is {total}, but its lines cost {cost}"));
    }
    let from_us = order.began_us.saturating_sub(FACTS_BEFORE_US);
    let pieces = bought.pieces();
    let cart = history.carts.get(&order.cart);
    let held = cart.is_some_and(|cart| {
        let mut states = cart.within(from_us, order.began_us);
        states.any(|state| state.customer == bought.customer && state.pieces == pieces)
    });
    if !held {
        return Some(format!(
            "its customer and lines are not what cart {} held when it was created",
            order.cart
        ));
    }
    mispriced(history, bought, from_us, order.began_us)
}

fn mispriced(history: &History, bought: &Bought, from_us: u64, to_us: u64) -> Option<String> {
    let wrong = bought.lines.iter().find(|line| {
        let prices = history.prices.get(&line.product);
        !prices.is_some_and(|prices| {
            prices
                .within(from_us, to_us)
                .any(|price| *price == line.price)
        })
    })?;
    Some(format!(
        "product {} didn't cost {} when it was created",
        wrong.product, wrong.price
    ))
}
