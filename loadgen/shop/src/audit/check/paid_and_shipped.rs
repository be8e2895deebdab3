//! `paid_and_shipped`: there is no billing and no shipping without its living order, and every order that is CLEARED, SHIPPED or DELIVERED
//! was paid exactly its total, once. What two requests decided against each other was compensated.

use super::super::history::{FACTS_BEFORE_US, History, OrderRecord, Status};
use loadgen_report::audit::CheckReport;

/// Checks every billing and shipping that is not deleted, and every order that must be paid.
pub fn paid_and_shipped(history: &History) -> CheckReport {
    let mut report = CheckReport::new("paid_and_shipped", "billings, shippings and paid orders");
    for (id, billing) in &history.billings {
        if billing.living && billing.at_us >= history.since_us {
            let order = &billing.order;
            let returned =
                format!("order {order} is gone, but this payment of it was not returned");
            let gone = history.orders.get(order).is_none_or(|order| order.deleted);
            report.look(id, gone.then_some(returned));
        }
    }
    for (id, shipment) in &history.shipments {
        if shipment.living > 0 && shipment.at_us >= history.since_us {
            let order = history.orders.get(id);
            report.look(id, unwithdrawn(order, shipment.living));
        }
    }
    for (id, order) in &history.orders {
        let status = order.status.filter(|status| status.is_paid());
        if let Some(status) = status
            && !order.deleted
            && order.began_us >= history.since_us
        {
            report.look(id, unpaid(history, id, order, status));
        }
    }
    report
}

/// Why the shippings of an order can't stay.
fn unwithdrawn(order: Option<&OrderRecord>, shippings: u32) -> Option<String> {
    let Some(order) = order.filter(|order| !order.deleted) else {
        return Some("it is gone, but its shipping was not withdrawn".to_owned());
    };
    if shippings > 1 {
        return Some(format!("it has {shippings} shippings"));
    }
    let status = order.status.filter(|status| !status.is_paid())?;
    Some(format!(
        "it is {status}, but its shipping was not withdrawn"
    ))
}

/// Why the order can't have a status for which it must be paid.
fn unpaid(history: &History, id: &str, order: &OrderRecord, status: Status) -> Option<String> {
    let paid = history.paid.get(id).copied().unwrap_or_default();
    if paid.billings != 1 {
        return Some(format!(
            "it is {status}, but has {} billings",
            paid.billings
        ));
    }
    if status.has_left() {
        match history.shipments.get(id).map(|shipment| shipment.living) {
            None => return Some(format!("it is {status}, but was never shipped")),
            Some(0) => return Some(format!("it is {status}, but its shipping was withdrawn")),
            Some(_) => {}
        }
    }
    let from_us = order.began_us.saturating_sub(FACTS_BEFORE_US);
    let (low, high) = history.costs(order, from_us, u64::MAX)?;
    let exact = (low..=high).contains(&paid.amount);
    (!exact).then(|| {
        format!(
            "it is {status} and costs {low}, but was paid {}",
            paid.amount
        )
    })
}
