//! `money`: the amount of each billing is the price of its order's cart at that time, and no order has two billings at once.

use super::super::finding::CheckReport;
use super::super::history::{FACTS_BEFORE_US, History, Payment};

/// Checks every billing, also after changes.
pub fn money(history: &History) -> CheckReport {
    let mut report = CheckReport::new("money", "billings");
    let judged = |payment: &&Payment| payment.at_us >= history.since_us;
    for payment in history.payments.iter().filter(judged) {
        report.look(&payment.billing, wrong(history, payment));
    }
    for (billing, order) in &history.billed_twice {
        let began_us = history.orders.get(order).map_or(0, |order| order.began_us);
        if began_us >= history.since_us {
            report.fell(
                billing.as_ref(),
                format!("order {order} already had a billing"),
            );
        }
    }
    report
}

fn wrong(history: &History, payment: &Payment) -> Option<String> {
    let Payment {
        order,
        amount,
        at_us,
        ..
    } = payment;
    if !history.orders.contains_key(order) {
        return Some(format!("it is for order {order}, which never existed"));
    }
    let costs = history.costs(order, at_us.saturating_sub(FACTS_BEFORE_US), *at_us);
    let fits = |(low, high): &(i128, i128)| (*low..=*high).contains(&i128::from(*amount));
    if costs.iter().any(fits) {
        return None;
    }
    Some(match costs.last() {
        Some((low, high)) if low == high => {
            format!("amount {amount}, but the cart of order {order} cost {low}")
        }
        Some((low, high)) => {
            format!("amount {amount}, but the cart of order {order} cost {low} to {high}")
        }
        None => format!("the price of the cart of order {order} is unknown"),
    })
}
