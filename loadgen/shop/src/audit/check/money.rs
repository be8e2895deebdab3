//! `money`: the amount of each billing is the total of its order, and no order has two billings at once. Where an order's events have no
//! total, it is the price of its cart at that time.

use super::super::history::{FACTS_BEFORE_US, History, Payment};
use loadgen_report::audit::CheckReport;

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
        order: id,
        amount,
        at_us,
        ..
    } = payment;
    let Some(order) = history.orders.get(id) else {
        return Some(format!("it is for order {id}, which never existed"));
    };
    let costs = history.costs(order, at_us.saturating_sub(FACTS_BEFORE_US), *at_us);
    match costs {
        Some((low, high)) if (low..=high).contains(&i128::from(*amount)) => None,
        Some((low, high)) if low == high => {
            Some(format!("amount {amount}, but order {id} cost {low}"))
        }
        Some((low, high)) => Some(format!(
            "amount {amount}, but the cart of order {id} cost {low} to {high}"
        )),
        None => Some(format!("the price of the cart of order {id} is unknown")),
    }
}
